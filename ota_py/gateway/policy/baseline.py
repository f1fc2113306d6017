"""The record of what was given to the services of this gateway: made when it came into force, not read from the files.

A service that may write a Compose file could otherwise grant itself in the file what the next update then
"has had before". The record is made of the project that an update left behind at its commit, and of the files that
were there first, once, where there is no record yet.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ota_py.errors import IncompatibleError
from ota_py.gateway.docker.project import Project
from ota_py.gateway.journal import facts
from ota_py.gateway.journal.versioned_records import known
from ota_py.gateway.policy import compose_inputs, compose_requests
from ota_py.gateway.policy.rules import GatewayDirectories, GivenRequest, PolicyRequest
from ota_py.gateway.system.clock import stamp
from ota_py.gateway.system.read_tree import sha256_of_plain

if TYPE_CHECKING:
    from ota_py.gateway.docker.compose import Compose
    from ota_py.gateway.journal.journal import Journal

FIRST = "the files that were here first"
ACCEPTED = "the files that its owner accepted"


@dataclass(frozen=True)
class Baseline:
    """The requests and files that were in force at one time.

    Attributes:
        requests: pairs of service and grant, see `PolicyRequest.key`.
        files: sha256 of what Compose read of the project, by path.
        origin: what brought it, for people.
        at: when it came into force.
    """

    requests: list[list[str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    origin: str = ""
    at: str = ""

    @property
    def given(self) -> set[GivenRequest]:
        """The requests that the services had, for `rules.check`."""
        return {(service, grant) for service, grant in self.requests}

    def as_dict(self) -> dict[str, Any]:
        """The baseline as JSON data."""
        return asdict(self)

    def differing(self, root: Path) -> list[str]:
        """The files of the project that are not, or not any more, as they were recorded."""
        now = file_hashes(root, self.files)
        return sorted(path for path in {*now, *self.files} if now.get(path) != self.files.get(path))


def of_files(root: Path, requests: set[PolicyRequest], origin: str) -> Baseline:
    """The baseline that a project and its files make, once they are in force."""
    hashes = file_hashes(root)
    return Baseline(sorted([service, grant] for service, grant in {r.key for r in requests}), hashes, origin, stamp())


def of_present(project: Project, places: GatewayDirectories, origin: str) -> Baseline:
    """The baseline that the files of the project as they are now make."""
    own_files = compose_inputs.own_files(places.project, places.project)
    found = compose_inputs.requests(places.project, places)
    found |= compose_requests.of_project(project, places, own_files)
    return of_files(places.project, found, origin)


def file_hashes(root: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The sha256 of what Compose reads of the project in `root`, by path.

    Links are followed, as Compose follows them: what is compared is what it reads.

    Args:
        more: further paths, whose files count, too.
    """
    named = {path.relative_to(root) for path in compose_inputs.named_files(root) if path.is_relative_to(root)}
    named |= {Path(path) for path in more or ()}
    found = {}
    for path in sorted(named):
        with contextlib.suppress(OSError):  # what Compose cannot read either is not there
            found[str(path)] = sha256_of_plain(root / path)
    return found


def recorded(journal: Journal) -> Baseline | None:
    """The baseline of this gateway; None where none was recorded yet."""
    text = facts.read(journal, facts.BASELINE)
    return known(Baseline, json.loads(text)) if text else None


def record(journal: Journal, baseline: Baseline) -> None:
    """Record a baseline durably."""
    facts.record(journal, facts.BASELINE, json.dumps(baseline.as_dict()), name="baseline")


def ensure(journal: Journal, compose: Compose, places: GatewayDirectories) -> Baseline:
    """The recorded baseline; where there is none, that of the present files, which is then recorded."""
    found = recorded(journal)
    if found is None:
        found = of_present(compose.present, places, FIRST)
        record(journal, found)
    return found


def problem(journal: Journal, root: Path) -> str:
    """How the files on disk differ from what was in force last; empty where they do not."""
    found = recorded(journal)
    if found is None:
        return ""
    try:
        differing = found.differing(root)
    except IncompatibleError as error:
        return error.message
    if not differing:
        return ""
    return f"{', '.join(differing)} not as recorded with {found.origin}: what was changed since gives nothing"
