"""A slow `docker`: some commands stay in the process list, so that a test that reads the list finds them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

SECONDS = 5


def slow_docker(directory: Path, *words: str) -> dict[str, str]:
    """An environment in which commands of `docker` that have one of these words stay in the process list."""
    real = shutil.which("docker")
    assert real is not None
    directory.mkdir()
    program = directory / "docker"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in {"|".join(f"*{word}*" for word in words)}) sleep {SECONDS} ;; esac\n'
        f'exec {real} "$@"\n'
    )
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}
