"""The documentation of every module, which states what its code takes."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import ROOT
from tests.support.processes import captured

MODULES = sorted(path.stem for path in (ROOT / "library").glob("*.py"))
GATEWAY_MODULES = [*("ota_apply", "ota_backup", "ota_health", "ota_info", "ota_report", "ota_restore", "ota_verify")]


@cache
def documents() -> dict[str, Any]:
    """The pages of `ansible-doc -M library` for all modules, with their fragments."""
    done = captured(
        ["ansible-doc", "-M", "library", "--json", *MODULES],
        cwd=ROOT,
        environment={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        },
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_has_options_examples_and_return_values(module: str) -> None:
    page = documents()[module]
    assert page["doc"]["short_description"]
    assert page["doc"]["notes"]
    assert page["doc"]["author"]
    assert {"check_mode", "diff_mode"} <= set(page["doc"]["attributes"])
    assert all(option["description"] for option in page["doc"]["options"].values())
    assert {"code", "hint"} <= set(page["return"]) or module == "ota_report"
    tasks = yaml.safe_load(page["examples"])
    assert all(module in task or "debug" in str(task) for task in tasks)


@pytest.mark.parametrize("module", GATEWAY_MODULES)
def test_the_documented_options_are_those_of_the_action(module: str) -> None:
    path = ROOT / "action_plugins" / f"{module}.py"
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    taken = {**loaded.ActionModule.options, "directory": {"type": "path"}}
    documented = documents()[module]["doc"]["options"]

    assert set(taken) == set(documented)
    for name, option in taken.items():
        for field in ("type", "default", "choices"):
            assert option.get(field) == documented[name].get(field), f"{name}.{field}"
        assert option.get("required", False) == documented[name].get("required", False), name


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(GATEWAY_MODULES)))
def test_the_documented_options_are_those_of_the_module(module: str) -> None:
    source = (ROOT / "library" / f"{module}.py").read_text()
    documented = documents()[module]["doc"]["options"]
    for name, option in documented.items():
        if name == "config":
            continue
        assert f'"{name}": {{' in source, name
        if option.get("choices"):
            assert all(f'"{choice}"' in source for choice in option["choices"]), name
