"""Whether updates that are to be signed anew are those that the control plane knows."""

from __future__ import annotations

import hashlib

from ota_py.errors import CarrierError, ConfigError, IntegrityError, NotFoundError
from ota_py.manager.parts import Parts
from ota_py.manager.root_plan import Plan
from ota_py.manifest import parse_manifest
from ota_py.trust.signing import manifest_documents


def compare_registered(parts: Parts, plan: Plan) -> list[str]:
    """Compare them with what was registered; returns what a person should know.

    Who stole a release key may have put another manifest in the place of one of ours.

    Raises:
        IntegrityError: an update is not the one that was registered.
    """
    told = []
    for document in manifest_documents(plan.signing.request):
        version = parse_manifest(document.payload).version
        sha256 = hashlib.sha256(document.payload).hexdigest()
        try:
            registered = parts.control_plane.update(version)["manifest_sha256"]
        except NotFoundError:
            told.append(f"warning: the control plane does not know {version}: is it yours?")
        except (CarrierError, ConfigError) as error:
            told.append(f"warning: {version} was not compared with what is registered: {error.message}")
        else:
            if registered != sha256:
                raise IntegrityError(
                    f"the manifest of {version} in the repository has sha256 {sha256}, and "
                    f"{registered} was registered",
                    hint="somebody replaced it: leave it out of --resign, and publish a new version",
                )
    return told
