"""The spawner: nothing outlives its time, or its parent."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ota_py.errors import DeadlineError, NotFoundError
from ota_py.gateway.system import process
from tests.support.waiting import wait_for


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it went, also while it was read
        return False


def wait_until_gone(pid: int) -> None:
    wait_for(lambda: not is_alive(pid), f"the end of process {pid}")


def noted(note: Path) -> int:
    """The process id that a program notes when it runs."""
    return int(wait_for(lambda: note.exists() and note.read_text(), f"the note {note}"))


def test_output_and_status() -> None:
    done = process.run(["sh", "-c", "cat; echo no >&2; exit 3"], timeout_seconds=60, stdin=b"yes")
    assert (done.status, done.stdout, done.problem) == (3, b"yes", "no")


def test_time_that_is_up_ends_all_that_was_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    begun = time.monotonic()
    with pytest.raises(DeadlineError, match=r"did not end within 4 s"):
        process.run(["sh", "-c", f"sleep 600 & echo $! > {note}; wait"], timeout_seconds=3.6)
    assert time.monotonic() - begun < 60
    wait_until_gone(int(note.read_text()))


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    argv = ["sh", "-c", f"echo $$ > {note}; exec sleep 600"]
    code = f"from ota_py.gateway.system import process; process.run({argv!r}, timeout_seconds=600)"
    parent = subprocess.Popen([sys.executable, "-c", code])
    child = noted(note)
    assert is_alive(child)
    parent.kill()
    parent.wait()
    wait_until_gone(child)


def test_a_child_whose_parent_died_before_it_could_ask_to_be_told_ends_as_well(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"""
import ctypes, os, time
from pathlib import Path
from ota_py.gateway.system import process
real = ctypes.CDLL(None)
class Slow:
    def __init__(self, *_, **__): ...
    def prctl(self, *arguments):
        Path({str(note)!r}).write_text(str(os.getpid()))
        time.sleep(2)
        real.prctl(*arguments)
ctypes.CDLL = Slow
process.run(["sleep", "600"], timeout_seconds=600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    child = noted(note)
    parent.kill()
    parent.wait()
    wait_until_gone(child)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match="the program no-such-program is not installed"):
        process.run(["no-such-program"], timeout_seconds=1)
