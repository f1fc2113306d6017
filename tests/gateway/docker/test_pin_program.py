"""The program of an image pin: a whole ELF file for each architecture, that runs on this one and waits."""

from __future__ import annotations

import signal
import struct
import subprocess
from pathlib import Path

import pytest

from ota_py.architectures import this_architecture
from ota_py.gateway.docker.pin_program import program
from tests.support.waiting import wait_for


@pytest.mark.case("F15")
def test_it_runs_here_and_waits_without_using_the_processor(tmp_path: Path) -> None:
    data = program(this_architecture())
    assert data is not None
    path = tmp_path / "pause"
    path.write_bytes(data)
    path.chmod(0o755)
    with subprocess.Popen([path]) as process:

        def waits() -> bool:
            assert process.poll() is None
            stat = Path(f"/proc/{process.pid}/stat").read_text()
            return "pause" in stat and " S " in stat

        wait_for(waits, "the program to wait")
        resident = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert int(resident) <= 4, "pages"


@pytest.mark.parametrize(("architecture", "machine", "bits"), [("amd64", 62, 64), ("arm64", 183, 64), ("arm", 40, 32)])
def test_each_is_a_whole_elf_file(architecture: str, machine: int, bits: int) -> None:
    data = program(architecture)
    assert data is not None
    assert data[:7] == b"\x7fELF" + bytes([bits // 32, 1, 1])
    header, segment, word = (64, 56, "Q") if bits == 64 else (52, 32, "I")
    kind, found, _, entry, offset = struct.unpack_from(f"<HHI{word}{word}", data, 16)
    assert (kind, found, offset) == (2, machine, header)
    layout = "<IIQQQQQQ" if bits == 64 else "<IIIIIIII"
    fields = struct.unpack_from(layout, data, header)
    base, size = (fields[3], fields[5]) if bits == 64 else (fields[2], fields[4])
    assert entry == base + header + segment
    assert size == len(data) < 256


def test_an_unknown_architecture_has_none() -> None:
    assert program("riscv64") is None
