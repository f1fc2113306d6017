"""The command of the conformance suite, at work on a repository that misbehaves as it is told to.

No `conftest.py`: pytest would load it whenever the suite names the command, in the suite's own environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import client
from tests.support.trust.published import Publisher, publisher, signers
from tests.support.trust.simulator import Forger, Mirror

__all__ = ["Client", "forger", "mirror", "publisher", "signers", "tuf"]


class Client:
    """The command, with directories of its own; what is left from one call to the next is on disk."""

    def __init__(self, directory: Path, mirror: Mirror, root: bytes) -> None:
        self.metadata, self.targets = directory / "metadata-dir", directory / "target-dir"
        self.metadata.mkdir()
        self.targets.mkdir()
        self._mirror = mirror
        (directory / "initial_root.json").write_bytes(root)
        assert client.main(self._words("init", str(directory / "initial_root.json"))) == 0
        assert mirror.requests == []

    def refresh(self) -> int:
        self._mirror.requests.clear()
        return client.main(self._words_of_refresh())

    def refresh_in_a_process(self) -> int:
        """As the suite calls it."""
        self._mirror.requests.clear()
        command = [sys.executable, client.__file__, *self._words_of_refresh()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode

    def download(self, *names: str) -> int:
        self._mirror.requests.clear()
        where = ["--target-base-url", f"{self._mirror.url}/targets", "--target-dir", str(self.targets)]
        where += ["--metadata-url", f"{self._mirror.url}/metadata"]
        where += [word for name in names for word in ("--target-name", name)]
        return client.main(self._words(*where, "download"))

    def _words_of_refresh(self) -> list[str]:
        return self._words("--metadata-url", f"{self._mirror.url}/metadata", "refresh")

    def versions(self) -> dict[str, int]:
        """The trusted metadata, by role."""
        return {
            path.name.removesuffix(".json"): json.loads(path.read_bytes())["signed"]["version"]
            for path in self.metadata.glob("*.json")
        }

    def _words(self, *words: str) -> list[str]:
        return ["--metadata-dir", str(self.metadata), *words]


@pytest.fixture
def mirror(publisher: Publisher) -> Iterator[Mirror]:
    publisher.publish(publisher.manifest("1.1.0"))
    with Mirror(publisher).serving() as serving:
        yield serving


@pytest.fixture
def forger(mirror: Mirror) -> Forger:
    return Forger(mirror, dict(mirror.publisher.signers))


@pytest.fixture
def tuf(tmp_path: Path, mirror: Mirror) -> Client:
    return Client(tmp_path, mirror, mirror.publisher.root)
