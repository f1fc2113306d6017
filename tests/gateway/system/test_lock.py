"""The lock: one transaction at a time; a query of the lock never stops a transaction from taking it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ota_py.errors import BusyError
from ota_py.gateway.system import lock

HOLD = "import sys, time; from pathlib import Path; from ota_py.gateway.system import lock\n"
HOLD += "with lock.exclusive(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert lock.is_held(path)
        with (
            pytest.raises(BusyError, match=rf"another transaction is under way \(process {holder.pid}\)"),
            lock.exclusive(path),
        ):
            pass
        holder.kill()
    assert not lock.is_held(path)
    with lock.exclusive(path):
        assert lock.is_held(path)


def test_who_only_looks_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    looking, seen = threading.Event(), threading.Event()

    def look() -> None:
        with lock.exclusive(path):
            looking.set()
            seen.wait()

    thread = threading.Thread(target=look)
    thread.start()
    looking.wait()

    class Time:
        """The look ends while the other waits for the first time, however long that takes here."""

        now = 0.0
        monotonic = staticmethod(lambda: Time.now)

        @staticmethod
        def sleep(seconds: float) -> None:
            Time.now += seconds
            seen.set()
            thread.join()

    monkeypatch.setattr(lock, "time", Time)
    with lock.exclusive(path):
        assert seen.is_set()
