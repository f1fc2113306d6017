"""What runs is what was signed: each service has the image of the manifest, or the very one that it ran before."""

from __future__ import annotations

from collections.abc import Mapping

from ota_py.errors import IncompatibleError
from ota_py.gateway.docker.project import Project
from ota_py.gateway.transaction.context import TransactionContext


def check(context: TransactionContext, project: Project, chosen: Mapping[str, str]) -> None:
    """Compare the images of the project as it will be with what may run.

    Args:
        chosen: the name that each image of the manifest goes by, for its service.

    Raises:
        IncompatibleError: a service would run something else: an override, an included file or a variable of
            the update names it, or a tag leads to another image than the one that runs.
    """
    for service in project.services:
        reference = project.image(service) or f"{project.name}-{service}"  # so Compose calls what it built
        if service in chosen:
            if reference != chosen[service]:
                raise IncompatibleError(
                    f"the service {service} would run {reference}, and the update has {chosen[service]} for it",
                    hint="another file of the project, such as an override, names its image: only one may",
                )
        elif project.replicas(service) and not _ran_before(context, service, reference):
            raise IncompatibleError(
                f"the service {service} would run {reference}, which the update does not name, "
                "and which is not the image that it runs now",
                hint="name the image in the update, so that it is signed by its digest",
            )


def _ran_before(context: TransactionContext, service: str, reference: str) -> bool:
    containers = [found for found in context.compose.containers() if found.service == service]
    image_id = context.images.id_of(reference)
    if containers and image_id is None:  # its name was lost: nothing else can run by it, since nothing pulls it
        return any(found.reference == reference for found in containers)
    if containers:
        return any(found.image_id == image_id for found in containers)
    # A one-shot whose container was pruned.
    present = context.compose.present
    return "@sha256:" in reference and service in present.services and present.image(service) == reference
