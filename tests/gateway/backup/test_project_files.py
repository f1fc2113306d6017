"""Which files of the project a backup has, and that they come back as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ota_py.gateway.backup.index import Backup, parse
from ota_py.gateway.backup.project_files import ProjectFiles
from ota_py.gateway.docker.project import Project
from tests.support.files import picture

COMPOSE = """\
include: [parts/more.yml]
services:
  app:
    image: app
    extends: {file: base/base.yml, service: base}
    env_file: [site.env, {path: "${NAME}.env", required: false}]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in {
        "docker-compose.yml": COMPOSE,
        "compose.override.yml": "services: {app: {label_file: [labels]}}\n",
        ".env": "NAME=unknown\n",
        "site.env": "A=1\n",
        "labels": "a=b\n",
        "parts/more.yml": "services: {more: {image: more, env_file: more.env}}\n",
        "parts/more.env": "B=2\n",
        "base/base.yml": "services: {base: {env_file: [base.env]}}\n",
        "base/base.env": "C=3\n",
        "mounted.conf": "m\n",
        "real/target.conf": "t\n",
        "config/a b \udcff.conf": "odd\n",
        "config/deep/x.conf": "x\n",
        "ota/ota_client.py": "ours\n",
        "other.txt": "nobody's\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "config/link.conf").symlink_to("../real/target.conf")
    (root / "config/outside").symlink_to("/etc/hostname")
    (root / "config/loop").symlink_to("loop")
    os.chmod(root / "config/deep/x.conf", 0o600)
    os.chown(root / "config/deep/x.conf", 999, 998)
    os.chown(root / "config/deep", 999, 999)
    os.chmod(root / "config/deep", 0o750)
    return root


def project(root: Path) -> Project:
    mount = {"type": "bind", "source": str(root / "mounted.conf"), "target": "/m"}
    return Project({"name": "p", "services": {"app": {"volumes": [mount]}}})


def saved(root: Path, stored: Path, dests: tuple[str, ...] = ()) -> Backup:
    files = ProjectFiles(root)
    found = files.find(project(root), dests)
    absent, directories = files.absent(dests)
    backup = Backup(
        id="b",
        version="1.0.0",
        created_at="",
        files=[files.save_file(path, stored) for path in found.files],
        links=[files.save_link(path) for path in found.links],
        directories=[files.save_directory(path) for path in found.directories],
        absent=absent,
        absent_directories=directories,
    )
    assert parse(backup.to_bytes()) == backup
    return backup


def test_what_belongs_to_the_project(root: Path, tmp_path: Path) -> None:
    backup = saved(root, tmp_path / "stored", ("config/new/new.conf",))

    assert {file.path for file in backup.files} == {
        *("docker-compose.yml", "compose.override.yml", ".env", "site.env", "labels", "mounted.conf"),
        *("parts/more.yml", "parts/more.env", "base/base.yml", "base/base.env"),
        *("config/a b \udcff.conf", "config/deep/x.conf", "real/target.conf"),
    }
    links = {link.path: link.target for link in backup.links}
    assert links == {
        "config/link.conf": "../real/target.conf",
        "config/outside": "/etc/hostname",
        "config/loop": "loop",
    }
    assert backup.absent == ["config/new/new.conf"]
    assert backup.absent_directories == ["config/new"]
    assert all((tmp_path / "stored" / f.path).stat().st_mode & 0o777 == 0o600 for f in backup.files)


def test_all_comes_back_with_owner_and_mode(root: Path, tmp_path: Path) -> None:
    before = picture(root)
    backup = saved(root, tmp_path / "stored", ("config/new/new.conf",))
    (root / "docker-compose.yml").write_text("changed\n")
    (root / "config/deep/x.conf").unlink()
    (root / "config/deep").rmdir()
    (root / "config/link.conf").unlink()
    (root / "config/link.conf").write_text("no link any more\n")
    (root / "mounted.conf").unlink()
    (root / "mounted.conf").symlink_to("other.txt")
    os.chown(root / "site.env", 1, 1)
    os.chmod(root / ".env", 0o600)
    (root / "config/new").mkdir()
    (root / "config/new/new.conf").write_text("by the update\n")
    (root / "later.conf").write_text("by a later update\n")

    for _ in range(2):  # once more changes nothing
        ProjectFiles(root).restore(backup, tmp_path / "stored", ["later.conf"])
        assert picture(root) == before
    assert (root / "other.txt").read_text() == "nobody's\n", "nothing is written through a link"


def test_a_directory_that_somebody_else_uses_stays(root: Path, tmp_path: Path) -> None:
    backup = saved(root, tmp_path / "stored", ("config/new/new.conf",))
    (root / "config/new").mkdir()
    (root / "config/new/by-hand.conf").write_text("a person's\n")

    ProjectFiles(root).restore(backup, tmp_path / "stored")

    assert (root / "config/new/by-hand.conf").exists()
