"""Watching a command from outside while it runs: process lists and files, as another user could see them."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

SECONDS = 120


@dataclass
class Watched:
    """A command as another user could see it.

    Attributes:
        status: exit status.
        texts: by where it stood: output, arguments of processes, environments of the processes below the
            command, contents of files.
        modes: permission bits of the private directories of ansible-runner, by path.
    """

    status: int = -1
    texts: dict[str, str] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)

    def places_of(self, secret: str) -> list[str]:
        """The places in which a secret was seen."""
        return [place for place, text in self.texts.items() if secret in text]


def watch(argv: list[str], directory: Path, env: dict[str, str], temporary: Path, seconds: float = SECONDS) -> Watched:
    """Run a command to its end, at most so long, with `temporary` as its directory for temporary files."""
    seen = Watched()
    process = start(argv, directory, env, temporary)
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(_look, seen, process.pid, temporary, over)
        try:
            seen.texts["output"], _ = process.communicate(timeout=seconds)
        finally:
            over.set()
            process.kill()
    watcher.result()  # one that failed saw nothing
    seen.status = process.returncode
    return seen


def start(argv: list[str], directory: Path, env: dict[str, str], temporary: Path) -> subprocess.Popen[str]:
    """Start a command, both of its streams in one."""
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        argv,
        cwd=directory,
        env={**env, "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _look(seen: Watched, command: int, temporary: Path, over: threading.Event) -> None:
    arguments: set[str] = set()
    environments: set[str] = set()
    is_over = False
    while not is_over:
        is_over = over.wait(0.1)  # and then a last look
        parents: dict[str, str] = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            arguments.add(_read(path).replace("\0", " "))
            parents[path.parent.name] = _parent(path.with_name("stat"))
        environments |= {_read(Path(f"/proc/{pid}/environ")) for pid in _below(str(command), parents)}
        seen.texts["arguments"] = "\n".join(arguments)
        seen.texts["environments"] = "\n".join(environments)
        # Not rglob: it fails when a directory goes while it looks.
        for path in [Path(where, name) for where, *names in os.walk(temporary) for name in chain(*names)]:
            try:
                mode = path.lstat().st_mode
            except OSError:
                continue  # gone meanwhile
            if path.parent == temporary and path.name.startswith("ota-rollout-"):
                seen.modes[str(path)] = stat.S_IMODE(mode)
            if stat.S_ISREG(mode):
                seen.texts[str(path)] = _read(path)


def _parent(stat_file: Path) -> str:
    """The parent of a process; its own name, in brackets before, may have anything in it."""
    fields = _read(stat_file).rpartition(")")[2].split()
    return fields[1] if fields else ""


def _below(command: str, parents: dict[str, str]) -> set[str]:
    """The processes that a command started, and those that these did."""
    found = {pid for pid, parent in parents.items() if parent == command}
    return found.union(*(_below(pid, parents) for pid in found))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
