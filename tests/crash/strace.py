"""Runs a function in a forked process under strace: to record its system calls, or to make some fail."""

from __future__ import annotations

import ctypes
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash import child

_ATTACH_SECONDS = 60.0
_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = -1

_LINE = re.compile(r"^(\d+) +(.*)$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)")


@dataclass(frozen=True)
class Call:
    """One system call that succeeded.

    Attributes:
        arguments: as strace prints them, strings still in quotes and hexadecimal.
        result: what it returned.
    """

    name: str
    arguments: list[str]
    result: int


def run(function: Callable[[], Any], options: Sequence[str], output: Path) -> child.Ended:
    """Run `function` in a forked process under strace.

    Raises:
        RuntimeError: strace could not attach; nothing of this layer can be trusted then.
    """
    reading, go = os.pipe()

    def waiting() -> Any:
        # Where only ancestors may trace (yama), this lets strace, a sister, do it.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_long(_PR_SET_PTRACER_ANY))
        os.close(go)
        assert os.read(reading, 1) == b"!", "strace did not attach"
        os.close(reading)
        return function()

    tracers: list[subprocess.Popen[str]] = []

    def attach(pid: int) -> None:
        os.close(reading)
        try:
            tracers.append(_attach(pid, options, output))
            os.write(go, b"!")
        finally:
            os.close(go)

    ended = child.run(waiting, meanwhile=attach)
    for tracer in tracers:
        tracer.communicate(timeout=_ATTACH_SECONDS)
    if ended.problem and "strace did not attach" in ended.problem:
        raise RuntimeError("strace could not attach")
    return ended


def _attach(pid: int, options: Sequence[str], output: Path) -> subprocess.Popen[str]:
    argv = ["strace", "-f", "-p", str(pid), "-o", str(output), *options]
    tracer = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert tracer.stderr is not None
    ready, _, _ = select.select([tracer.stderr], [], [], _ATTACH_SECONDS)
    said = tracer.stderr.readline() if ready else "it said nothing"
    if "attached" not in said:
        tracer.send_signal(signal.SIGKILL)
        raise RuntimeError(f"strace could not attach: {said.strip()}; is ptrace forbidden here?")
    return tracer


def parse(output: Path) -> Iterator[Call]:
    """The calls that succeeded, in the order in which they ended."""
    unfinished: dict[str, str] = {}
    for line in output.read_text(errors="replace").splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        pid, text = found.groups()
        if text.endswith("<unfinished ...>"):
            unfinished[pid] = text.removesuffix("<unfinished ...>").rstrip()
            continue
        if resumed := _RESUMED.match(text):
            text = unfinished.pop(pid, "") + resumed[2]
        if (call := _CALL.match(text)) and call[3] != "?" and int(call[3]) >= 0:
            yield Call(call[1], _split(call[2]), int(call[3]))


def _split(text: str) -> list[str]:
    """Arguments at their commas; strings are hexadecimal, so none has a comma or a quote."""
    return [part.strip() for part in text.split(", ")] if text else []


def text_of(argument: str) -> bytes:
    r"""The bytes of a string argument that is printed as `"\x2f\x74"`."""
    if "..." in argument:
        raise ValueError(f"strace cut a string short: {argument[-40:]}")
    return bytes.fromhex(argument.strip('"').replace("\\x", ""))
