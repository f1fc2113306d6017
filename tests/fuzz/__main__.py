"""`python -m tests.fuzz`: the long run, and single inputs again."""

from __future__ import annotations

import random
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.fuzz.limits import bounded
from tests.fuzz.run import long_run
from tests.fuzz.targets import TARGETS, Target

NAMES = [target.name for target in TARGETS]
KEPT = Path("build/fuzz")
# A process that stops answering altogether is ended so long after its time.
GRACE_SECONDS = 60


@click.group()
def main() -> None:
    """Feed the product's ways in with odd bytes; nothing but its own errors may come out."""


@main.command(epilog="\b\nExample:\n  make fuzz SECONDS=600 SEED=7")
@click.option("--seconds", type=float, default=120, show_default=True, help="For all targets together.")
@click.option("--seed", type=int, help="Of an earlier run, to have the same inputs; not given: a new one.")
@click.option("--target", "names", multiple=True, type=click.Choice(NAMES), help="Only this one; repeatable.")
def run(seconds: float, seed: int | None, names: tuple[str, ...]) -> None:
    """Try inputs for some time; exit 1 when one is not taken or refused as it should be."""
    seed = random.randrange(2**32) if seed is None else seed
    chosen = names or tuple(NAMES)
    click.echo(f"seed {seed}, {len(chosen)} targets, {seconds:g} s")
    KEPT.mkdir(parents=True, exist_ok=True)
    bad = [name for name in chosen if not _one(name, seconds / len(chosen), seed)]
    click.echo(f"fuzz: seed {seed}, {len(chosen)} targets, {len(bad)} with a bad input")
    sys.exit(1 if bad else 0)


@main.command(hidden=True)
@click.argument("name", type=click.Choice(NAMES))
@click.argument("seconds", type=float)
@click.argument("seed", type=int)
@click.argument("kept", type=Path)
def one(name: str, seconds: float, seed: int, kept: Path) -> None:
    """One target, in this process, which may die of it."""
    sys.exit(0 if long_run(_target(name), seconds, seed, kept, click.echo) else 1)


@main.command()
@click.argument("name", type=click.Choice(NAMES))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def again(name: str, file: Path) -> None:
    """Give one kept input to a target; ends with the error that it lets pass, or with `fine`."""
    with tempfile.TemporaryDirectory(prefix="ota-fuzz-") as directory:
        call = _target(name).make(Path(directory))
        began = time.process_time()
        with bounded():
            call(file.read_bytes())
    click.echo(f"fine, {time.process_time() - began:.3f} s")


def _one(name: str, seconds: float, seed: int) -> bool:
    """Run a target in a process of its own; whether all was well."""
    kept = KEPT / f"{name}-{seed}"
    argv = [sys.executable, "-m", "tests.fuzz", "one", name, str(seconds), str(seed), str(kept)]
    try:
        status = subprocess.run(argv, timeout=seconds + GRACE_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        status = -1
    if status == 0:
        return True
    click.echo(f"{name}: ended with {status}; the input is {kept}. Again:")
    click.echo(f"  {shlex.join([sys.executable, '-m', 'tests.fuzz', 'again', name, str(kept)])}")
    return False


def _target(name: str) -> Target:
    return next(target for target in TARGETS if target.name == name)


if __name__ == "__main__":
    main()
