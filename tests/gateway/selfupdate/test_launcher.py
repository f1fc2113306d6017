"""The launcher: plain shell that ends a failed trial with nobody's help.

The interpreters that it starts are scripts here, which say who they are.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.processes import captured
from tests.support.selfupdate.box import launchers

pytestmark = pytest.mark.case("F35")

SAYS = '#!/bin/sh\necho "$0" "$@"\n'


class Ota:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("new", "old", "other"):
            self.python(name, SAYS)
        for name, text in launchers(directory, directory / "etc").items():
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)
        self.link("new")

    def python(self, name: str, text: str) -> None:
        path = self.directory / "venvs" / name / "bin" / "python"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def link(self, name: str) -> None:
        (self.directory / "venv").unlink(missing_ok=True)
        (self.directory / "venv").symlink_to(f"venvs/{name}")

    @property
    def current(self) -> str:
        return Path(os.readlink(self.directory / "venv")).name

    @property
    def starts(self) -> Path:
        return self.directory / "trial.starts"

    def trial(self, text: str = "new old 60\n") -> None:
        (self.directory / "trial").write_text(text)

    def run(self, name: str = "ota-agent") -> subprocess.CompletedProcess[str]:
        argv = [self.directory / name]
        return captured(argv, seconds=120)

    def runs(self, name: str = "ota-agent") -> str:
        """Which build the launcher started."""
        done = self.run(name)
        assert done.returncode == 0, done.stderr
        return done.stdout.removeprefix(f"{self.directory}/venvs/").split("/")[0]


@pytest.fixture
def ota(tmp_path: Path) -> Ota:
    return Ota(tmp_path)


def test_it_starts_what_the_link_says_resolved_once(ota: Ota) -> None:
    venv = ota.directory / "venvs" / "new"
    expected = f"{venv}/bin/python {venv}/commands/ota_client.py {{}} --config {ota.directory}/etc/gateway.toml\n"
    assert ota.run().stdout == expected.format("run")
    assert ota.run("ota-recover").stdout == expected.format("recover")
    assert not ota.starts.exists()


def test_on_trial_three_starts_then_back_for_good(ota: Ota) -> None:
    ota.trial()
    assert [ota.runs() for _ in range(3)] == ["new"] * 3
    assert ota.starts.read_text() == "3\n"
    done = ota.run()
    assert "new did not prove itself in 3 starts; going back to old" in done.stderr
    assert ota.current == "old"
    assert [ota.runs() for _ in range(2)] == ["old"] * 2


def test_on_trial_the_old_one_recovers_and_that_is_no_start(ota: Ota) -> None:
    ota.trial()
    assert ota.runs("ota-recover") == "old"
    assert ota.current == "new"
    assert not ota.starts.exists()


@pytest.mark.parametrize("count", ["", "many\n", "-1\n", "3"])
def test_a_count_that_is_no_count_goes_back(ota: Ota, count: str) -> None:
    """A power cut may leave it empty."""
    ota.trial()
    ota.starts.write_text(count)
    assert ota.runs() == "old"
    assert ota.current == "old"


def test_a_count_that_cannot_be_written_goes_back(ota: Ota) -> None:
    ota.trial()
    ota.starts.with_name("trial.starts.new").mkdir()
    assert ota.runs() == "old"


def test_without_an_interpreter_it_goes_back_at_once(ota: Ota) -> None:
    ota.trial()
    (ota.directory / "venvs" / "new" / "bin" / "python").unlink()
    assert ota.runs() == "old"
    assert ota.current == "old"


@pytest.mark.parametrize("text", ["", "new\n", "new old\n", "other old 60\n", "new gone 60\n"])
def test_a_trial_that_is_not_of_this_version_or_not_whole_is_none(ota: Ota, text: str) -> None:
    ota.trial(text)
    assert [ota.runs() for _ in range(5)] == ["new"] * 5


def hanging(directory: Path) -> subprocess.Popen[bytes]:
    ota = Ota(directory)
    ota.python("new", "#!/bin/sh\nexec sleep 300\n")
    ota.trial("new old 1\n")
    return subprocess.Popen([directory / "ota-agent"], stdout=subprocess.PIPE)


def test_one_that_hangs_is_killed_after_twice_its_time_unless_it_proved_itself(tmp_path: Path) -> None:
    begun = time.monotonic()
    with hanging(tmp_path / "hangs") as hangs, hanging(tmp_path / "proved") as proved:
        try:
            (tmp_path / "proved" / "trial").unlink()
            assert hangs.wait(60) == -signal.SIGKILL
            assert time.monotonic() - begun > 1.5
            with pytest.raises(subprocess.TimeoutExpired):
                proved.wait(1)
        finally:
            hangs.kill()
            proved.kill()
