"""The operator guide: it has every key of ota.toml, and names every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ota_py.manager.cli import COMMANDS
from ota_py.manager.config.model import ManagerConfig
from tests.support.paths import ROOT

GUIDE = ROOT / "docs/operator-guide.md"


def section(field: FieldInfo) -> type[BaseModel] | None:
    kinds: tuple[Any, ...] = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        if table := section(field):
            yield from rows(table, f"{prefix}{name}.")
            continue
        default = field.default
        shown = "required" if field.is_required() else f"`{default}`" if default not in (None, []) else ""
        yield f"| `{prefix}{name}` | {shown} | {field.description} |"


def test_every_key_of_ota_toml_stands_in_the_guide() -> None:
    table = "\n".join(["| key | default | what |", "|---|---|---|", *rows(ManagerConfig)])
    assert table in GUIDE.read_text(), f"put this table into {GUIDE}:\n{table}"


def test_every_command_stands_in_the_guide() -> None:
    text = " ".join(GUIDE.read_text().split())  # a line may end within a command
    assert not [name for name in COMMANDS if f"ota_manager.py {name}" not in text]
