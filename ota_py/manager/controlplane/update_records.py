"""The control plane's records of published updates: how they are made, compared, and kept true.

The manager reports what it publishes to the control plane, which itself reads no repository.
"""

from __future__ import annotations

from collections.abc import Callable

from ota_py.errors import CarrierError, ConfigError, IntegrityError, NotFoundError
from ota_py.hashes import sha256_of
from ota_py.manager.controlplane.client import ControlPlane, Json
from ota_py.manifest import parse_manifest
from ota_py.trust.documents.signatures import manifest_documents
from ota_py.trust.documents.signing_request import SigningRequest
from ota_py.trust.repository.repository import Repository


def record_of(repository: Repository, version: str) -> Json:
    """The control plane's record of a published update."""
    verified = repository.manifest(version)
    manifest = verified.manifest
    return {
        "version": manifest.version,
        "description": manifest.description,
        "critical": manifest.critical,
        "manifest_sha256": sha256_of(verified.raw),
        "key_ids": list(verified.key_ids),
        "images": {service: image.model_dump(mode="json") for service, image in manifest.images.items()},
        "agent_version": manifest.agent.version if manifest.agent else "",
        "migrates": manifest.data.migrates,
        "on_rollback": manifest.data.on_rollback,
        "hooks": [hook.at for hook in manifest.hooks],
        "sbom": [sbom.model_dump(mode="json") for sbom in manifest.sbom],
        "created": manifest.created,
    }


def report_signers(control_plane: ControlPlane, repository: Repository) -> None:
    """Report to the control plane whose signatures of its updates count now, where that changed.

    Updates that it does not know are not registered by this: nobody confirmed that they are the operator's.

    Raises:
        ControlPlaneError: it cannot be reached, or refused.
        TrustError: a published manifest is not what was signed.
        StoreError: the repository cannot be read.
    """
    known = {update["version"]: update["key_ids"] for update in control_plane.updates()}
    for version in repository.versions():
        record = record_of(repository, version) if version in known else None
        if record and record["key_ids"] != known[version]:
            control_plane.register_update(record)


def compare_registered(find_update: Callable[[str], Json], request: SigningRequest) -> list[str]:
    """Compare the manifests of a signing request with the registered ones; returns warnings for a person.

    A thief of a release key may have put another manifest in the place of a registered one.

    Args:
        find_update: gives the record of a version from the control plane.

    Raises:
        IntegrityError: an update is not the one that was registered.
    """
    warnings = []
    for document in manifest_documents(request):
        version = parse_manifest(document.payload).version
        sha256 = sha256_of(document.payload)
        try:
            registered = find_update(version)["manifest_sha256"]
        except NotFoundError:
            warnings.append(f"warning: the control plane does not know {version}: is it yours?")
        except (CarrierError, ConfigError) as error:
            warnings.append(f"warning: {version} was not compared with what is registered: {error.message}")
        else:
            if registered != sha256:
                raise IntegrityError(
                    f"the manifest of {version} in the repository has sha256 {sha256}, and {registered} was registered",
                    hint="somebody replaced it: leave it out of --resign, and publish a new version",
                )
    return warnings
