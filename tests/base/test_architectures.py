"""One table of architectures: what a gateway calls itself is what manifests and wheelhouses are for."""

from __future__ import annotations

import platform

import pytest

from ota_py import architectures
from ota_py.architectures import ARCHITECTURES, BY_MACHINE, WHEEL_MACHINES
from ota_py.gateway.docker import pin_program


def test_every_architecture_has_machines_wheels_and_a_program_for_pins():
    assert set(BY_MACHINE.values()) == set(ARCHITECTURES) == set(WHEEL_MACHINES)
    assert all(BY_MACHINE[machine] == architecture for architecture, machine in WHEEL_MACHINES.items())
    assert all(pin_program.program(architecture) for architecture in ARCHITECTURES)


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "arm"), ("armv6l", "arm"), ("riscv64", "riscv64")],
)
def test_a_machine_has_the_registries_name(monkeypatch: pytest.MonkeyPatch, machine: str, architecture: str):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert architectures.this_architecture() == architecture
