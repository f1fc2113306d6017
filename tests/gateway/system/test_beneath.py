"""What a service may write to is reached through no link, whatever the kernel offers (A41).

A canary tree outside has hashes, owners and modes: nothing of it may be read or changed by any method, with a link in
any component of the path, also where it appears between two steps.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from ota_py.errors import NotFoundError, OtaError, PolicyError
from ota_py.gateway.system import openat
from ota_py.gateway.system.beneath import Tree, locate
from ota_py.gateway.system.files import Attributes
from ota_py.gateway.system.read_tree import read_plain

pytestmark = pytest.mark.case("A41")

MINE = Attributes(0o640, os.geteuid(), os.getegid())
SECRET = b"of the host\n"
# A container's program: directory `b` and link `link` change places, as fast as it can.
SWAP = """
import contextlib, os
while True:
    for names in (("b", "aside"), ("link", "b"), ("b", "link"), ("aside", "b")):
        with contextlib.suppress(OSError):
            os.rename(*names)
"""


@pytest.fixture(params=["openat2", "components", "no O_TMPFILE"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the kernel or the file system has; the ways round what it has not."""
    if request.param == "components":
        monkeypatch.setattr(openat, "_openat2", lambda *_: None)
    if request.param == "no O_TMPFILE":
        real = os.open

        def without(path: Any, flags: int, *args: Any, **named: Any) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(95, "Operation not supported")
            return real(path, flags, *args, **named)

        monkeypatch.setattr(os, "open", without)
    return str(request.param)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """The canary tree: a directory with a file, as `/etc` might be."""
    directory = tmp_path / "outside"
    directory.mkdir(0o700)
    (directory / "file").write_bytes(SECRET)
    (directory / "file").chmod(0o600)
    return directory


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A tree with `a/b/file`."""
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "b" / "file").write_bytes(b"inside\n")
    return Tree(tmp_path / "tree")


def state(directory: Path) -> list[tuple[Any, ...]]:
    """All that can be seen of a directory."""
    found = []
    for path in sorted([directory, *directory.rglob("*")]):
        status = path.lstat()
        data = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
        found.append(
            (str(path), status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_mtime_ns, data)
        )
    return found


def _read(tree: Tree, path: str) -> bytes:
    return tree.read(path)


READS: dict[str, Callable[[Tree, str], Any]] = {
    "read": _read,
    "sha256_of": lambda tree, path: tree.sha256_of(path),
    "file_status": lambda tree, path: tree.file_status(path),
}
CHANGES: dict[str, Callable[[Tree, str], Any]] = {
    "write": lambda tree, path: tree.write(path, b"new", Attributes(0o777, MINE.uid, MINE.gid)),
    "copy": lambda tree, path: tree.copy(Path(__file__), path, Attributes(0o777, MINE.uid, MINE.gid)),
    "remove": lambda tree, path: tree.remove(path),
    "remove_empty": lambda tree, path: tree.remove_empty(path),
    "ensure_link": lambda tree, path: tree.ensure_link(path, "elsewhere"),
    "make_directory": lambda tree, path: tree.make_directory(path),
    "ensure_directory": lambda tree, path: tree.ensure_directory(path, Attributes(0o777, MINE.uid, MINE.gid)),
    "remove_drafts": lambda tree, path: tree.remove_drafts(str(Path(path).parent)),
    "refill": lambda tree, path: tree.refill(str(Path(path).parent), lambda empty: (empty / "file").write_text("x")),
}
# Where the link is, and what it says, as a function of the directory outside.
LINKS = {
    "a": "{outside}",
    "a/b": "{outside}",
    "a/b/file": "{outside}/file",
    "a/b/file to a directory": "{outside}",
    "a/b relative": "../../outside",
    "a/b dangling": "{outside}/not/there",
}


def plant(tree: Tree, where: str, says: str, outside: Path) -> None:
    place = tree.root / where.split(" ")[0]
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    place.symlink_to(says.format(outside=outside))


@pytest.mark.parametrize("where", LINKS)
@pytest.mark.parametrize("act", [*READS, *CHANGES])
def test_nothing_outside_is_read_or_changed(act: str, where: str, kernel: str, tree: Tree, outside: Path) -> None:
    plant(tree, where, LINKS[where], outside)
    before = state(outside)
    result = None
    with suppress(OtaError):
        result = (READS | CHANGES)[act](tree, "a/b/file")
    assert state(outside) == before
    assert result != SECRET
    assert result != hashlib.sha256(SECRET).hexdigest()
    if act in READS and "dangling" not in where:
        with pytest.raises(PolicyError, match="is a symbolic link; an update writes plain files only"):
            READS[act](tree, "a/b/file")


@pytest.mark.parametrize("path", ["../outside/file", "/etc/passwd", "a/../../outside/file", "."])
@pytest.mark.parametrize("act", ["read", "write", "remove", "ensure_link"])
def test_a_path_that_is_not_below_the_root_is_refused(act: str, path: str, tree: Tree, outside: Path) -> None:
    before = state(outside)
    with pytest.raises(OtaError):
        (READS | CHANGES)[act](tree, path)
    assert state(outside) == before


def test_a_file_is_replaced_whole_with_owner_and_mode(kernel: str, tree: Tree) -> None:
    tree.write("a/b/file", b"two", Attributes(0o4751, 12345, 54321))
    tree.copy(Path(__file__), "new/deep/file", MINE)
    status = (tree.root / "a/b/file").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o4751, 12345, 54321)
    assert tree.read("a/b/file") == b"two"
    assert tree.read("new/deep/file") == Path(__file__).read_bytes()
    assert tree.names("a/b") == ["file"]
    assert tree.attributes("new/deep/file") == MINE


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(kernel: str, tree: Tree, outside: Path) -> None:
    plant(tree, "a/b/file", "{outside}/file", outside)
    before = state(outside)
    tree.write("a/b/file", b"ours", MINE)
    assert state(outside) == before
    assert not tree.is_link("a/b/file")
    assert tree.read("a/b/file") == b"ours"


@pytest.mark.parametrize("planted", [".file.ota-new", "file.ota-new", ".ota-0123456789abcdef.ota-new"])
def test_a_link_that_waits_for_a_draft_is_not_written_through(
    planted: str, kernel: str, tree: Tree, outside: Path
) -> None:
    (tree.root / "a/b" / planted).symlink_to(outside / "file")
    before = state(outside)
    tree.write("a/b/file", b"ours", Attributes(0o666, 12345, 54321))
    tree.ensure_link("a/b/link", "file")
    assert state(outside) == before
    assert tree.read("a/b/file") == b"ours"


def test_drafts_of_a_try_that_was_killed_go_and_nothing_else(tree: Tree, outside: Path) -> None:
    (tree.root / "a/b/.ota-0123456789abcdef.ota-new").write_text("half")
    (tree.root / "a/b/.ota-1123456789abcdef.ota-new").symlink_to(outside / "file")
    (tree.root / "a/b/other.ota-new").write_text("somebody's")
    before = state(outside)
    tree.remove_drafts("a/b")
    assert tree.names("a/b") == ["file", "other.ota-new"]
    assert state(outside) == before


def test_a_full_disk_leaves_the_old_file(kernel: str, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OtaError, match="no space left to write"):
        tree.write("a/b/file", b"new", MINE)
    assert tree.read("a/b/file") == b"inside\n"
    assert tree.names("a/b") == ["file"]


@pytest.mark.parametrize("kind", ["pipe", "socket", "directory", "device"])
def test_only_a_plain_file_is_opened(kind: str, tree: Tree) -> None:
    place = tree.root / "a/b/odd"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        os.mknod(place, stat.S_IFSOCK | 0o600)
    elif kind == "directory":
        place.mkdir()
    else:
        os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    with pytest.raises(PolicyError, match="plain file"):
        tree.read("a/b/odd")
    with pytest.raises(PolicyError, match="plain file"):
        tree.file_status("a/b/odd")
    with pytest.raises(OSError, match="not a plain file"):
        read_plain(place, 10)


def test_what_is_not_there_is_said(tree: Tree) -> None:
    assert tree.status("no/such/thing") is None
    assert tree.file_status("a/b/file/below") is None
    assert tree.names("no") == []
    assert list(tree.walk("no")) == []
    assert tree.first_link("no/such/thing") is None
    tree.remove("no/such/thing")
    tree.remove_empty("no/such/thing")
    for act in (tree.read, tree.sha256_of, tree.attributes):
        with pytest.raises(NotFoundError, match="does not exist"):
            act("no/such/thing")


def test_the_walk_does_not_enter_links(tree: Tree, outside: Path) -> None:
    (tree.root / "a/out").symlink_to(outside)
    assert [path for path, _ in tree.walk()] == ["a", "a/b", "a/b/file", "a/out"]


def test_a_directory_stays_what_it_is_for_a_program(tree: Tree, outside: Path) -> None:
    with tree.directory("a/b") as directory:
        shutil.move(tree.root / "a/b", tree.root / "a/gone")
        (tree.root / "a/b").symlink_to(outside)
        assert [path.name for path in directory.iterdir()] == ["file"]
        assert (directory / "file").read_bytes() == b"inside\n"


class TestConfined:
    """A library that opens files by path: here the real SQLite."""

    def test_a_database_is_read_and_its_companions_found(self, tree: Tree) -> None:
        with closing(sqlite3.connect(tree.root / "a/db")) as live:
            live.execute("PRAGMA journal_mode = WAL")
            live.execute("CREATE TABLE t (x)")
            live.execute("INSERT INTO t VALUES (7)")
            live.commit()
            assert tree.confined("a/db", self._count) == [(7,)]

    @pytest.mark.parametrize("where", ["a/db", "a"])
    def test_a_link_leads_nowhere(self, where: str, tree: Tree, outside: Path) -> None:
        with closing(sqlite3.connect(outside / "db")) as other:
            other.execute("CREATE TABLE t (x)")
            other.execute("INSERT INTO t VALUES (666)")
            other.commit()
        if where == "a":
            shutil.rmtree(tree.root / "a")
        (tree.root / where).symlink_to(outside / "db" if where == "a/db" else outside)
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            tree.confined("a/db", self._count)

    def test_the_process_keeps_its_own_root(self, tree: Tree) -> None:
        assert tree.confined("a/b/file", lambda path: path.read_bytes()) == b"inside\n"
        assert Path("/proc/self/status").exists()
        assert Path.cwd() != Path("/")

    def test_errors_come_through(self, tree: Tree) -> None:
        with pytest.raises(FileNotFoundError):
            tree.confined("a/none", lambda path: path.read_bytes())

    @staticmethod
    def _count(path: Path) -> list[Any]:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as live:
            return live.execute("SELECT x FROM t").fetchall()


class TestRefill:
    """A directory that was emptied gets back what an archive has, while somebody plants links in it."""

    def test_content_and_attributes_come_over(self, tree: Tree) -> None:
        shutil.rmtree(tree.root / "a/b")
        (tree.root / "a/b").mkdir()

        def fill(empty: Path) -> None:
            (empty / "data").mkdir()
            (empty / "data/row").write_text("1")
            (empty / "link").symlink_to("data")
            os.chown(empty, 12345, 54321)
            os.chmod(empty, 0o2750)

        tree.refill("a/b", fill)
        assert sorted(path for path, _ in tree.walk("a/b")) == ["a/b/data", "a/b/data/row", "a/b/link"]
        assert tree.attributes("a/b") == Attributes(0o2750, 12345, 54321)
        assert [path.name for path in tree.root.parent.iterdir() if path.name.startswith(".ota")] == []

    def test_what_a_killed_try_left_goes(self, tree: Tree) -> None:
        shutil.rmtree(tree.root / "a/b/")
        (tree.root / "a/b").mkdir()
        left = tree.root.parent / ".ota-restore-0123"
        left.mkdir()
        (left / "half").write_text("")
        tree.refill("a/b", lambda empty: (empty / "file").write_text("whole"))
        assert not left.exists()

    def test_a_link_planted_meanwhile_is_not_followed(self, tree: Tree, outside: Path) -> None:
        (tree.root / "a/b/file").unlink()
        before = state(outside)

        def fill(empty: Path) -> None:
            (tree.root / "a/b/data").symlink_to(outside)  # as a container that still runs would
            (empty / "data").mkdir()
            (empty / "data/file").write_text("ours")

        with suppress(OtaError):
            tree.refill("a/b", fill)
        assert state(outside) == before


def test_a_swapper_as_fast_as_it_can(kernel: str, tree: Tree, outside: Path) -> None:
    """Directory and link change places all the time, as a container would do it; nothing outside is touched."""
    before = state(outside)
    (tree.root / "a/link").symlink_to(outside)
    swapper = subprocess.Popen([sys.executable, "-c", SWAP], cwd=tree.root / "a")
    seen: set[bytes] = set()
    try:
        for number in range(200):
            for act in (
                lambda: seen.add(tree.read("a/b/file")),
                lambda number=number: tree.write("a/b/file", b"%d" % number, Attributes(0o666, 12345, 54321)),
                lambda: tree.remove("a/b/file"),
                lambda: tree.ensure_directory("a/b", Attributes(0o755, MINE.uid, MINE.gid)),
                lambda: tree.remove_drafts("a/b"),
                lambda: list(tree.walk()),
            ):
                with suppress(OtaError):
                    act()
    finally:
        went_on = swapper.poll() is None
        swapper.kill()
        swapper.wait()
    assert went_on
    assert SECRET not in seen
    assert state(outside) == before


class TestLocate:
    """Which directory is the services', and which links are the owner's."""

    def test_the_outermost_writable_directory_is_the_root(self, tmp_path: Path) -> None:
        (tmp_path / "data/app").mkdir(parents=True)
        tree, path = locate(tmp_path / "data/app/db", {tmp_path / "data", tmp_path / "data/app"})
        assert (tree.root, path) == (tmp_path / "data", "app/db")

    def test_the_owners_links_are_followed_and_the_services_are_not(self, tmp_path: Path, outside: Path) -> None:
        (tmp_path / "disk/app").mkdir(parents=True)
        (tmp_path / "data").symlink_to(tmp_path / "disk")
        (tmp_path / "relative").symlink_to("disk/app/../app")
        (tmp_path / "disk/app/db").symlink_to(outside / "file")
        for given in ("data/app/db", "relative/db", "disk/app/db"):
            tree, path = locate(tmp_path / given, {tmp_path / "disk/app"})
            assert (tree.root, path) == (tmp_path / "disk/app", "db")
            with pytest.raises(PolicyError, match="is a symbolic link"):
                tree.read(path)

    def test_the_writable_directory_itself(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        tree, path = locate(tmp_path / "data", {tmp_path / "data"})
        assert (tree.root, path) == (tmp_path / "data", ".")

    def test_what_no_service_writes_is_found_as_ever(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real/db").write_text("")
        (tmp_path / "db").symlink_to("real/db")
        tree, path = locate(tmp_path / "db", set())
        assert (tree.root, path) == (tmp_path / "real", "db")

    def test_a_ring_of_links_ends(self, tmp_path: Path) -> None:
        (tmp_path / "one").symlink_to("two")
        (tmp_path / "two").symlink_to("one")
        with pytest.raises(PolicyError, match="more than 40 symbolic links"):
            locate(tmp_path / "one/db", set())
