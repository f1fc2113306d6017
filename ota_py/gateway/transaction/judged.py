"""What starts is what was judged and signed: the files that Compose reads, the images, and what is mounted."""

from __future__ import annotations

from collections.abc import Mapping

from ota_py.errors import ConflictError, HealthError, IncompatibleError
from ota_py.gateway.docker import real_mounts
from ota_py.gateway.docker.project import Project
from ota_py.gateway.journal.plan import TransactionPlan
from ota_py.gateway.journal.versioned_records import known
from ota_py.gateway.policy.baseline import Baseline
from ota_py.gateway.system.clock import Clock
from ota_py.gateway.transaction.context import TransactionContext


def check_files(context: TransactionContext, plan: TransactionPlan, *, applied: bool) -> None:
    """Compare what Compose reads with what was judged, also of files that the update does not bring.

    Args:
        applied: whether the update's own files are in place.

    Raises:
        ConflictError: one of them was changed meanwhile.
    """
    if not plan.baseline:
        return  # prepared by older software
    judged = known(Baseline, plan.baseline)
    changed = judged.differing(context.config.project_dir)
    if not applied:  # what the update brings, or stops reading, is not in place yet
        coming = {file.dest for file in plan.files}
        changed = [path for path in changed if path in judged.files and path not in coming]
    if changed:
        raise ConflictError(
            f"{changed[0]} was changed on this gateway since the update was prepared",
            hint="start the update again: it will be prepared for the file as it is now",
        )


def check_images(context: TransactionContext, project: Project, chosen: Mapping[str, str]) -> None:
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


def start(context: TransactionContext, plan: TransactionPlan, clock: Clock) -> None:
    """Start what the update changes, and see that what is mounted is what was judged.

    Raises:
        HealthError: something else is, or would be.
    """
    compose = context.compose
    if not plan.order:
        compose.up(plan.change.changed, clock.check("starting services"), recreate=True)
        real_mounts.check(compose.containers(), plan.mounts)
        return
    # Whoever starts first may change what a later one mounts: no one starts before that was looked at.
    compose.create(plan.change.changed, clock.check("creating containers"))
    started: list[str] = []
    for group in plan.order:
        project = compose.present
        sources = {name: project.mount_sources(name) for name in group if name in project.services}
        if problem := real_mounts.moved(plan.mounts, sources):
            raise HealthError(problem)
        started += group
        compose.up(started, clock.check("starting services"), recreate=False)
        real_mounts.check(compose.containers(), plan.mounts)


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
