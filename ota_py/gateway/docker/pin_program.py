"""The program of an image pin (image_pins.py): it only waits, in a few bytes for each architecture. Pure.

The program needs nothing of the image that it is put into: no loader, no library, no shell.
"""

from __future__ import annotations

import struct

_BASE = 0x10000  # where the one segment is loaded; above the lowest address that kernels allow
_PAGE = 0x10000  # the largest page of the architectures below
_READ_EXECUTE = 5
_MACHINES = {"amd64": 62, "arm64": 183, "arm": 40}
_ARM_EABI5 = 0x05000000


def _words(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


# Each calls pause(2) for ever; arm64 has no such call, so there it is ppoll(2) of nothing, without end.
_CODE = {
    # mov eax, 34; syscall; jmp to the start
    "amd64": b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7",
    # mov x0..x3, 0; mov x8, 73; svc 0; b to the start
    "arm64": _words(0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001, 0x17FFFFFA),
    # mov r7, 29; svc 0; b to the start
    "arm": _words(0xE3A0701D, 0xEF000000, 0xEAFFFFFC),
}


def program(architecture: str) -> bytes | None:
    """The program as an ELF file, or None for an architecture that is not known here.

    Args:
        architecture: one of `ota_py.architectures.ARCHITECTURES`.
    """
    code = _CODE.get(architecture)
    if code is None:
        return None
    return _elf32(code) if architecture == "arm" else _elf64(_MACHINES[architecture], code)


def _identity(bits: int) -> bytes:
    """The first 16 bytes of an ELF file: magic number, 1 or 2 for 32 or 64 bits, little endian, version 1."""
    return b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)


def _elf64(machine: int, code: bytes) -> bytes:
    start = 64 + 56
    size = start + len(code)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _BASE + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, _READ_EXECUTE, 0, _BASE, _BASE, size, size, _PAGE)
    return _identity(64) + header + segment + code


def _elf32(code: bytes) -> bytes:
    start = 52 + 32
    size = start + len(code)
    header = struct.pack("<HHIIIIIHHHHHH", 2, _MACHINES["arm"], 1, _BASE + start, 52, 0, _ARM_EABI5, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<IIIIIIII", 1, 0, _BASE, _BASE, size, size, _READ_EXECUTE, _PAGE)
    return _identity(32) + header + segment + code
