#!/usr/bin/env python3
"""The gateway's client in the form that the TUF project's conformance suite calls.

    client.py --metadata-dir DIR init ROOT
    client.py --metadata-dir DIR --metadata-url URL refresh
    client.py --metadata-dir DIR --metadata-url URL --target-name NAME --target-base-url URL
              --target-dir DIR download

`--target-name` may be given several times. Exit status 0 or 1. How the suite is run: README.md beside this.
Source of the form: CLIENT-CLI.md of https://github.com/theupdateframework/tuf-conformance.
What is under test is `TrustClient` with its carriers and its floor; here is only where files lie.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tuf.api.exceptions import LengthOrHashMismatchError

from ota_py.errors import OtaError
from ota_py.manifest import FILE_MAX_BYTES
from ota_py.trust import layout
from ota_py.trust.fetch import client as under_test
from ota_py.trust.fetch.carriers import WebCarrier
from ota_py.trust.fetch.client import TrustClient

# Beside the metadata: what a gateway keeps in /etc and in its journal.
OWN = ".ota"


class TwoPlaces:
    """A carrier for a repository whose metadata and targets lie at two URLs."""

    def __init__(self, metadata_url: str, targets_url: str) -> None:
        self._places = {
            layout.METADATA: WebCarrier(metadata_url.rstrip("/") + "/"),
            layout.TARGETS: WebCarrier(targets_url.rstrip("/") + "/"),
        }

    def stream(self, path: str, start: int = 0) -> Iterator[bytes]:
        """See `ota_py.trust.fetch.carriers.Carrier`."""
        place = layout.METADATA if path.startswith(layout.METADATA) else layout.TARGETS
        return self._places[place].stream(path.removeprefix(place), start)


class FileFloor:
    """A floor that outlives the process, as the journal's does; see `ota_py.trust.fetch.floor.Floor`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._versions: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, role: str) -> int:
        return self._versions.get(role, 0)

    def raise_to(self, role: str, version: int) -> None:
        self._versions[role] = max(self.get(role), version)
        self._path.write_text(json.dumps(self._versions))


def init(metadata: Path, root: Path) -> None:
    """Pin a root, and show it as the trusted one."""
    own = metadata / OWN
    own.mkdir()
    # The client's cache is a directory `metadata`, whose place the suite decides.
    (own / "metadata").symlink_to(metadata.resolve())
    shutil.copy(root, own / "root.json")
    shutil.copy(root, metadata / "root.json")


def download(used: TrustClient, name: str, directory: Path) -> None:
    """Have one target in a directory, under its quoted name; what is there already is not fetched again."""
    place = directory / quote(name, "")
    with contextlib.suppress(FileNotFoundError, LengthOrHashMismatchError):
        used.listed(name).verify_length_and_hashes(place.read_bytes())
        return
    place.write_bytes(used.fetch_target(name, FILE_MAX_BYTES))


def client(metadata: Path, metadata_url: str, targets_url: str) -> TrustClient:
    """The client under test."""
    own = metadata / OWN
    carrier = TwoPlaces(metadata_url, targets_url)
    return TrustClient(own / "root.json", own, "conformance:", FileFloor(own / "floor.json"), carrier)


def main(words: Sequence[str] | None = None) -> int:
    """Do one command; `words` are its arguments, not given: those of the process."""
    parser = argparse.ArgumentParser(description="TrustClient for the TUF conformance suite.")
    for name in ("metadata-url", "target-base-url"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--target-name", action="append", default=[])
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    given = parser.parse_args(words)
    try:
        if given.command == "init":
            init(given.metadata_dir, given.root)
            return 0
        used = client(given.metadata_dir, given.metadata_url, given.target_base_url)
        used.refresh()
        if given.command == "download":
            for name in given.target_name:
                download(used, name, given.target_dir)
    except OtaError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    # The suite plays repositories of years in which this software was not yet made.
    under_test.EARLIEST = datetime.fromtimestamp(0, UTC)
    sys.exit(main())
