"""Views of a running rollout: live on a terminal, as plain lines in a log, or none for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ota_py.contract.fleet import GatewayResult
from ota_py.text.printable import printable

Json = Mapping[str, Any]

COLOURS: dict[str, str] = {
    GatewayResult.SUCCEEDED: "green",
    GatewayResult.SKIPPED: "green",
    GatewayResult.ROLLED_BACK: "red",
    GatewayResult.FAILED: "red",
    GatewayResult.DEFERRED: "yellow",
    GatewayResult.UPDATING: "cyan",
    GatewayResult.ASSIGNED: "cyan",
}
MARKS: dict[str, str] = {
    GatewayResult.SUCCEEDED: "✓",
    GatewayResult.SKIPPED: "=",
    GatewayResult.ROLLED_BACK: "↶",
    GatewayResult.FAILED: "✗",
    GatewayResult.DEFERRED: "…",
}
ENDED = frozenset(MARKS)
# How many gateways a terminal shows; those that need attention come first.
ROWS_SHOWN = 20
_ORDER: tuple[str, ...] = (
    GatewayResult.FAILED,
    GatewayResult.ROLLED_BACK,
    GatewayResult.UPDATING,
    GatewayResult.ASSIGNED,
    GatewayResult.DEFERRED,
    GatewayResult.SUCCEEDED,
    GatewayResult.SKIPPED,
)


class View(Protocol):
    """A view of a running rollout."""

    def __enter__(self) -> View:
        """Begin to show."""

    def __exit__(self, *_: object) -> None:
        """Stop showing; what was shown last stays."""

    def step(self, gateway: str, step: str) -> None:
        """Show that a step begins on a gateway, as the controller sees it."""

    def update(self, rollout: Json) -> None:
        """Show the control plane's record of the rollout."""


class SilentView:
    """A view that shows nothing, for `--json`."""

    def __enter__(self) -> SilentView:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def step(self, gateway: str, step: str) -> None:
        """Show nothing."""

    def update(self, rollout: Json) -> None:
        """Show nothing."""


class LineView:
    """A view with one line for each change, for a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()
        self._known: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def step(self, gateway: str, step: str) -> None:
        """Print a line such as `12s boston_001: applying`."""
        self._print_line(f"{gateway}: {step}")

    def update(self, rollout: Json) -> None:
        """Print a line for each gateway whose state, or the reason for it, changed."""
        for gateway in rollout["gateways"]:
            state = gateway["state"]
            reason = f": {gateway['reason']}" if gateway["reason"] else ""
            seen = (state, reason)
            if self._known.get(gateway["id"], (GatewayResult.PENDING, reason)) != seen:
                self._print_line(f"{gateway['id']}: {state} (batch {gateway['batch'] + 1}){reason}")
            self._known[gateway["id"]] = seen

    def _print_line(self, text: str) -> None:
        elapsed = f"{time.monotonic() - self._begun:6.0f}s"
        self._console.print(f"{elapsed} {printable(text)}", markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """A view as a table that changes in place, for a terminal."""

    def __init__(self, console: Console) -> None:
        self._begun = time.monotonic()
        self._steps: dict[str, str] = {}
        self._first_seen: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._rollout: Json | None = None
        # Last, since it renders at once.
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._render)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.refresh()
        self._live.stop()

    def step(self, gateway: str, step: str) -> None:
        """Show the step beside the gateway."""
        self._steps[gateway] = step
        self._first_seen.setdefault(gateway, time.monotonic())

    def update(self, rollout: Json) -> None:
        """Take the states from the control plane."""
        self._rollout = rollout
        now = time.monotonic()
        for gateway in rollout["gateways"]:
            name, state = gateway["id"], gateway["state"]
            if state in (GatewayResult.ASSIGNED, GatewayResult.UPDATING):
                self._first_seen.setdefault(name, now)
                self._took.pop(name, None)
            elif state in ENDED and name in self._first_seen:
                self._took.setdefault(name, now - self._first_seen[name])

    def _render(self) -> Group | Text:
        if self._rollout is None:
            return Text("starting …")
        elapsed = time.monotonic() - self._begun
        return Group(headline(self._rollout, elapsed), bar(self._rollout), self._table(self._rollout))

    def _table(self, rollout: Json) -> Table:
        table = table_of("batch", "gateway", "", "state", "step", "elapsed", "reason")
        ordered = sorted(rollout["gateways"], key=_urgency)
        for gateway in ordered[:ROWS_SHOWN]:
            table.add_row(*self._row(gateway))
        if len(ordered) > ROWS_SHOWN:
            table.add_row("", f"and {len(ordered) - ROWS_SHOWN} more")
        return table

    def _row(self, gateway: Json) -> list[Text]:
        name, state = gateway["id"], gateway["state"]
        # The engine's own state where it is known, else the controller's step there.
        step = "" if state in ENDED else gateway["step"] or self._steps.get(name, "")
        return [
            plain(gateway["batch"] + 1),
            plain(name),
            plain(gateway["delivery"]),
            coloured(state),
            plain(step.lower()),
            plain(self._elapsed(name)),
            plain(gateway["reason"]),
        ]

    def _elapsed(self, name: str) -> str:
        if name in self._took:
            return f"{self._took[name]:.0f}s"
        begun = self._first_seen.get(name)
        return f"{time.monotonic() - begun:.0f}s" if begun is not None else ""


def make_view(console: Console, *, silent: bool) -> View:
    """The view that fits: none for programs, live on a terminal, lines otherwise."""
    if silent:
        return SilentView()
    return LiveView(console) if console.is_terminal else LineView(console)


def headline(rollout: Json, elapsed: float | None = None) -> Text:
    """A rollout's headline, such as `Rollout 7: 1.2.0  RUNNING  batch 1 of 3  1m 5s`."""
    last = max((g["batch"] for g in rollout["gateways"] if g["state"] != GatewayResult.PENDING), default=0)
    text = Text.assemble(
        f"Rollout {rollout['id']}: ", (printable(rollout["version"]), "bold"), "  ", coloured(rollout["state"])
    )
    text.append(f"  batch {last + 1} of {len(rollout['batch_sizes'])}")
    if elapsed is not None:
        text.append(f"  {int(elapsed // 60)}m {int(elapsed % 60)}s", "dim")
    if rollout["reason"]:
        text.append(f"\n{printable(rollout['reason'])}", "yellow")
    return text


def table_of(*columns: str) -> Table:
    """An empty table under these headings; what is too long is cut, but for a reason."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(name, overflow="ellipsis", no_wrap=name != "reason")
    return table


def bar(rollout: Json) -> Table:
    """A progress bar with the counts of all states that occur."""
    counts = {state: count for state, count in rollout["counts"].items() if count}
    total = sum(counts.values()) or 1
    done = sum(counts.get(state, 0) for state in ENDED)
    counted = Text("  ").join([Text(f"{count} ") + coloured(state) for state, count in counts.items()])
    grid = Table.grid(padding=(0, 2))
    grid.add_row(ProgressBar(total=total, completed=done, width=30), Text(f"{done}/{total}"), counted)
    return grid


def plain(value: object) -> Text:
    """A cell's text as it is: rich would read a plain string as markup, whoever wrote it."""
    return Text(printable(str(value)))


def coloured(state: str) -> Text:
    """The state in its colour, with its mark."""
    mark = MARKS.get(state, "")
    return Text(printable(f"{mark} {state}" if mark else state), COLOURS.get(state, ""))


def _urgency(gateway: Json) -> tuple[int, int]:
    state = gateway["state"]
    return (_ORDER.index(state) if state in _ORDER else len(_ORDER), gateway["batch"])
