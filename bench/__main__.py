"""The command `python -m bench`: run the benchmarks, print a table for people or JSON for programs."""

from __future__ import annotations

import importlib
import json
import sys

import click
from rich.console import Console
from rich.table import Table

from bench import fleet
from bench.result import Comparison

# Of the table where there is no terminal to ask.
WIDTH = 140
NAMES = ("verify", "polls", "update", "rollout", "memory")


@click.command(epilog="\b\nExamples:\n  make bench\n  python -m bench polls --json")
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document for programs.")
def main(names: tuple[str, ...], as_json: bool) -> None:
    """Measure, as ratios against what a user would pick instead; exit 1 when a mark is missed."""
    results: list[Comparison] = []
    try:
        for name in names or NAMES:
            click.echo(f"measuring: {name} ...", err=True)
            results += importlib.import_module(f"bench.{name}").run()
    finally:
        fleet.down()
    if as_json:
        click.echo(json.dumps([result.as_dict() for result in results], indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else WIDTH).print(_table(results))
    sys.exit(0 if all(result.passed for result in results) else 1)


def _table(results: list[Comparison]) -> Table:
    table = Table("what", "ours", "theirs", "unit", "ratio", "mark", "against", title="medians, one run")
    for result in results:
        shown = result.as_dict()
        sign = "≤" if result.better == "lower" else "≥"
        table.add_row(
            result.name + (f"\n[dim]{result.note}[/dim]" if result.note else ""),
            f"{shown['ours_median']:.4g}",
            f"{shown['theirs_median']:.4g}",
            result.unit,
            f"[{'green' if result.passed else 'red'}]{result.ratio:.2f}[/]",
            "" if result.mark is None else f"{sign} {result.mark}",
            result.against,
        )
    return table


if __name__ == "__main__":
    main()
