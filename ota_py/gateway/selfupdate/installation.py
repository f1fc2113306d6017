"""The gateway software as installed: `venvs/NAME` for each build, and the link `venv` to the one in use.

venvs/NAME/            a virtual environment, whole once it has `.complete`
venvs/NAME/commands/   ota_client.py and ota-helper.sh of that build; the ones above are links through `venv`
venv                   link to the build in use
trial                  while a new build is on trial: "NEW OLD SECONDS", for the launchers
trial.starts           how often the launcher has started it
ota-agent, ota-recover the launchers: installed by provisioning, never replaced by an upgrade
"""

from __future__ import annotations

import errno
import math
import os
import sys
from pathlib import Path

from ota_py import __version__
from ota_py.errors import NoSpaceError, NotFoundError, OtaError
from ota_py.gateway.selfupdate import unpack
from ota_py.gateway.system import files, process
from ota_py.gateway.system.files import Attributes

VENVS = "venvs"
COMPLETE = ".complete"
COMMANDS = "commands"
BUILD_SECONDS = 1800.0
CHECK_SECONDS = 300.0
# How programs written in Python report that the disk or a quota is full, whatever the language.
_NO_SPACE = (f"[Errno {errno.ENOSPC}]".encode(), f"[Errno {errno.EDQUOT}]".encode())


def own_build() -> str | None:
    """The build that this process runs; None for one that is not installed, such as a clone."""
    prefix = Path(os.path.realpath(sys.prefix))
    return prefix.name if prefix.parent.name == VENVS else None


def own_version() -> str:
    """The version of this software for people: its build, else its plain version."""
    return own_build() or __version__


def supervisor_argv(python: Path, config_file: Path | None) -> list[str]:
    """The command line of the supervisor of an upgrade, see `ota_py.gateway.supervisor`."""
    named = [] if config_file is None else ["--config", str(config_file)]
    return [str(python), "-I", "-m", "ota_py.gateway.supervisor", *named]


class Installation:
    """The builds of the gateway software below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._link = directory / "venv"
        self._trial = directory / "trial"
        self._starts = directory / "trial.starts"

    @property
    def current(self) -> str | None:
        """The build that the link leads to, or None where there is no link."""
        return Path(os.readlink(self._link)).name if self._link.is_symlink() else None

    @property
    def starts(self) -> str:
        """How often the launcher has started the build on trial, as the launcher recorded it."""
        return self._starts.read_text().strip() if self._starts.is_file() else "0"

    @property
    def trial_seconds(self) -> float:
        """How long the build on trial may take to come up; 0 where none is on trial."""
        words = self._trial.read_text().split() if self._trial.is_file() else []
        return float(words[2]) if len(words) == 3 else 0.0

    def venv(self, name: str) -> Path:
        """The virtual environment of a build."""
        return self.directory / VENVS / name

    def python(self, name: str) -> Path:
        """The Python interpreter of a build."""
        return self.venv(name) / "bin" / "python"

    def is_complete(self, name: str) -> bool:
        """Whether the virtual environment of a build is there and whole."""
        return (self.venv(name) / COMPLETE).is_file() and self.python(name).exists()

    def build(self, name: str, archive: Path, wheels: Path) -> None:
        """Make the virtual environment of a build from its wheelhouse, with no network.

        Args:
            archive: the wheelhouse, checked.
            wheels: private directory to unpack it in; removed again.

        Raises:
            NoSpaceError: there is no space for it.
            OtaError: it cannot be made; the next try begins anew.
        """
        if self.is_complete(name):
            return
        venv = self.venv(name)
        files.remove_tree(wheels)
        unpack.unpack(archive, wheels)
        # As roles/ota_gateway/tasks/venv.yml does it: pip runs from its own wheel.
        _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)])
        pip = [str(self.python(name)), str(wheels / "pip.whl" / "pip"), "--isolated", "install", "--no-index"]
        options = ["--disable-pip-version-check", "--quiet", "--find-links", str(wheels)]
        _run([*pip, *options, "ota-py[gateway]"])
        owner = Attributes.of(self.directory)
        for command in sorted((wheels / COMMANDS).iterdir()):
            files.copy(command, venv / COMMANDS / command.name, Attributes(0o755, owner.uid, owner.gid))
        files.remove_tree(wheels)
        files.sync_all()
        files.write(venv / COMPLETE, f"{name}\n".encode(), Attributes(0o644, owner.uid, owner.gid))

    def check(self, name: str, config_file: Path | None, directory: Path) -> None:
        """Run the self-check of a build: see `ota_py.gateway.self_check`.

        Args:
            directory: holds a copy of the journal.

        Raises:
            NoSpaceError: the self-check found no space.
            OtaError: the self-check failed; with what it printed.
        """
        named = [] if config_file is None else ["--config", str(config_file)]
        argv = [str(self.python(name)), "-I", "-m", "ota_py.gateway.self_check", *named, str(directory)]
        _run(argv, CHECK_SECONDS)

    def switch(self, name: str) -> None:
        """Switch the link to a build.

        Raises:
            NotFoundError: the build is not installed.
        """
        if self.current == name:
            return
        if not self.is_complete(name):
            raise NotFoundError(f"the gateway software {name} is not installed in {self.venv(name)}")
        files.ensure_link(self._link, f"{VENVS}/{name}")

    def begin_trial(self, name: str, old: str, seconds: float) -> None:
        """Begin a trial: let the launchers know which build is on trial, and which one to go back to."""
        files.remove(self._starts)
        owner = Attributes.of(self.directory)
        text = f"{name} {old} {math.ceil(seconds)}\n"
        files.write(self._trial, text.encode(), Attributes(0o644, owner.uid, owner.gid))

    def end_trial(self) -> None:
        """End the trial: the launchers start the build that the link leads to again."""
        files.remove_draft(self._trial)
        files.remove(self._trial)
        files.remove(self._starts)

    def remove(self, name: str) -> None:
        """Remove a build that is not in use; its mark goes first, so that half a build never counts as whole."""
        if self.current != name:
            files.remove(self.venv(name) / COMPLETE)
            files.remove_tree(self.venv(name))

    def prune(self, keep: int, protected: set[str]) -> None:
        """Remove all builds but the newest `keep` and the protected ones."""
        found = [path for path in (self.directory / VENVS).iterdir() if path.is_dir()]
        newest = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
        kept = protected | {path.name for path in newest[:keep]}
        for path in newest:
            if path.name not in kept:
                self.remove(path.name)


def _run(argv: list[str], timeout_seconds: float = BUILD_SECONDS) -> None:
    done = process.run(argv, timeout_seconds=timeout_seconds)
    if not done.status:
        return
    problem = f"`{' '.join(argv[:4])}` failed: {done.problem}"
    if done.status == NoSpaceError.exit_status or any(words in done.stderr for words in _NO_SPACE):
        raise NoSpaceError(problem, hint="free some space; it is tried again by itself")
    raise OtaError(problem)
