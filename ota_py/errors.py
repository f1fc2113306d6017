"""Every error that the project raises on purpose: one class, one stable code, one exit status.

A message says what happened, to what, and what to do next. Libraries raise these; only a `main()`
turns one into an exit status. `docs/reference/exit-status.md` is generated from this table.
"""

from __future__ import annotations

from typing import Any, ClassVar


class OtaError(Exception):
    """Base of all expected failures.

    Attributes:
        code: stable identifier for programs (`--json`, API, Ansible's `failed.code`).
        exit_status: what a command exits with.
        hint: what the reader can do about it, or an empty string.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def as_dict(self) -> dict[str, Any]:
        """The error as JSON data: code, message, hint, details."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "details": self.details}


# -- what the caller gave -------------------------------------------------------------------------


class UsageError(OtaError):
    """An argument or option that cannot be used as given."""

    code = "usage"
    exit_status = 2


class ConfigError(OtaError):
    """A configuration file that is missing, unreadable or wrong."""

    code = "config"
    exit_status = 3


class KeyFileError(OtaError):
    """A private key that is missing, readable by others, or not opened by its passphrase."""

    code = "key"
    exit_status = 4


class KeyMismatchError(KeyFileError):
    """A private key that is not one of the keys that root names for its role."""

    code = "key_mismatch"


class ConflictError(OtaError):
    """The thing exists already, or its state does not allow this."""

    code = "conflict"
    exit_status = 5


class NotFoundError(OtaError):
    """The named update, gateway, rollout, image or file does not exist."""

    code = "not_found"
    exit_status = 6


# -- carriers -------------------------------------------------------------------------------------


class CarrierError(OtaError):
    """A registry, bucket, repository, broker or control plane that did not do its part."""

    code = "unreachable"
    exit_status = 10


class RegistryError(CarrierError):
    """The image registry cannot be reached or refused."""

    code = "registry"


class StoreError(CarrierError):
    """The bucket or directory that holds the repository cannot be read or written."""

    code = "store"


class ControlPlaneError(CarrierError):
    """The control plane's API cannot be reached or answered with an error."""

    code = "control_plane"


class RejectedError(ControlPlaneError):
    """The control plane refuses the content of a request; sending it again changes nothing."""

    code = "rejected"


class RepositoryError(CarrierError):
    """The TUF repository cannot be fetched: unreachable, half there, or too slow."""

    code = "repository"


# -- trust ----------------------------------------------------------------------------------------


class TrustError(OtaError):
    """Something is not what the release key signed. Nothing of it is used."""

    code = "trust"
    exit_status = 20


class SignatureError(TrustError):
    """A signature is missing, below the threshold, or wrong."""

    code = "signature"


class ManifestError(TrustError):
    """A manifest that is malformed or beyond its limits."""

    code = "manifest"


class IntegrityError(TrustError):
    """Bytes whose hash or length is not the one that was signed."""

    code = "integrity"


class FreshnessError(TrustError):
    """Metadata that expired or is older than what was seen before."""

    code = "freshness"


# -- the gateway ----------------------------------------------------------------------------------


class IncompatibleError(OtaError):
    """A genuine update that is not for this gateway: architecture, hardware, group or version."""

    code = "incompatible"
    exit_status = 21


class KnownBadError(IncompatibleError):
    """A version that was rolled back here before; it is not tried again unless requested by name."""

    code = "known_bad"


class PolicyError(OtaError):
    """The gateway's policy forbids what the update requests."""

    code = "policy"
    exit_status = 22


class NoSpaceError(OtaError):
    """Not enough free space for what is about to be written."""

    code = "no_space"
    exit_status = 23


class BusyError(OtaError):
    """Another transaction holds the gateway's lock."""

    code = "busy"
    exit_status = 24


class DockerError(OtaError):
    """The Docker daemon or Compose failed or cannot be reached."""

    code = "docker"
    exit_status = 25


class BackupError(OtaError):
    """A backup could not be made, or is not what was written."""

    code = "backup"
    exit_status = 26


class HealthError(OtaError):
    """The gateway's services are not healthy."""

    code = "health"
    exit_status = 27


class DeadlineError(OtaError):
    """A step or a whole transaction took longer than it may."""

    code = "deadline"
    exit_status = 28


class HookError(OtaError):
    """A hook of the gateway or of the update failed or took too long."""

    code = "hook"
    exit_status = 29


class UpdateFailedError(OtaError):
    """The update failed before any service was touched; the old version runs on."""

    code = "failed"
    exit_status = 30


class RolledBackError(OtaError):
    """The update failed after services were touched; the gateway is back on the old version."""

    code = "rolled_back"
    exit_status = 31


class BrokenError(OtaError):
    """The rollback failed too. Services are started as far as possible; a person is needed."""

    code = "broken"
    exit_status = 32


class JournalError(OtaError):
    """The journal cannot be read as this version's journal. Nothing is guessed from it."""

    code = "journal"
    exit_status = 33


class HeldError(OtaError):
    """A maintenance window, a veto or a hook holds the update back for now; it waits."""

    code = "held"
    exit_status = 34


# -- the operator's upkeep ------------------------------------------------------------------------


class ExpiringError(OtaError):
    """Signatures of the repository expire soon, or have; gateways go on, and then refuse new updates."""

    code = "expiring"
    exit_status = 43


# -- rollouts -------------------------------------------------------------------------------------


class RolloutAbortedError(OtaError):
    """The gate stopped the rollout, or an operator did."""

    code = "aborted"
    exit_status = 40


class RolloutIncompleteError(OtaError):
    """The rollout ended, but some gateways rolled back, failed or could not be reached."""

    code = "incomplete"
    exit_status = 41


class RolloutNotStartedError(OtaError):
    """The rollout could not start; no gateway was touched."""

    code = "not_started"
    exit_status = 42


class InterruptedByOperatorError(OtaError):
    """Ctrl-C or a termination signal. Gateways finish or roll back by themselves."""

    code = "interrupted"
    exit_status = 130


def all_errors() -> list[type[OtaError]]:
    """Every error class, the base first, in the order of this file."""
    found: list[type[OtaError]] = [OtaError]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub not in found)
    return found
