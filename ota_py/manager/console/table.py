"""The operator's plain tables: headings in capitals, and what a cell without a value shows."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ota_py.text.printable import printable
from ota_py.text.table import aligned


def echo_table(header: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print rows below a header, or the sentence `empty` where there are none."""
    if not rows:
        click.echo(empty)
        return
    for line in aligned([[name.upper() for name in header], *([_text(cell) for cell in row] for row in rows)]):
        click.echo(line)


def _text(cell: object) -> str:
    if cell is None or cell == "":
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, (list, tuple)):
        return printable(",".join(map(str, cell))) or "-"
    return " ".join(printable(str(cell)).split())
