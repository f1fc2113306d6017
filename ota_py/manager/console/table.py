"""Plain tables: aligned columns, easy to read and to cut with the usual tools."""

from __future__ import annotations

from collections.abc import Sequence

import click

GAP = "  "


def echo_table(header: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print rows below a header, or the sentence `empty` where there are none."""
    if not rows:
        click.echo(empty)
        return
    lines = [[str(name).upper() for name in header], *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(GAP.join(cells).rstrip())


def _text(cell: object) -> str:
    if cell is None or cell == "":
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, (list, tuple)):
        return ",".join(map(str, cell)) or "-"
    return " ".join(str(cell).split())
