"""What a test starts ends with it, and with the tests, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.selfupdate.processes import MARK, Processes, _marked
from tests.support.waiting import wait_for

# A child that has a session of its own and forgets its parent, as a supervisor does.
DAEMON = "sh -c 'setsid sleep 1000 & exec setsid sleep 1000'"
TESTS = """
import subprocess, sys, time
from tests.support.selfupdate.processes import Processes
processes = Processes(sys.argv[1])
subprocess.Popen(sys.argv[2], shell=True, env=processes.environment)
time.sleep(1000)
"""


def sleepers(mark: Path) -> list[str]:
    return [command for _, command in _marked(str(mark)) if command.startswith("sleep")]


def test_all_that_carry_the_mark_are_ended(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    with subprocess.Popen(DAEMON, shell=True, env=processes.environment):
        wait_for(lambda: len(sleepers(tmp_path)) == 2, lambda: f"two sleepers: {processes.commands()}")
        processes.end()
    assert not _marked(str(tmp_path))


def test_killed_tests_leave_no_process_behind(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", TESTS, str(tmp_path), DAEMON]
    tests = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": os.getcwd()})
    try:
        wait_for(lambda: len(sleepers(tmp_path)) == 2, f"two that carry {MARK}")
    finally:
        tests.send_signal(signal.SIGTERM)
        tests.wait(60)
    wait_for(lambda: not sleepers(tmp_path), lambda: f"the end of {_marked(str(tmp_path))}")
