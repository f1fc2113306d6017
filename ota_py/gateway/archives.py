"""Archives that were checked, laid out as files."""

from __future__ import annotations

from pathlib import Path

from ota_py.errors import OtaError
from ota_py.gateway import files, points


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a tar archive that was checked into a new directory; nothing in it may lead elsewhere.

    Raises:
        NoSpaceError: the disk is full.
        OtaError: it is not such an archive.
    """
    import tarfile

    files.make_directory(directory, 0o700)
    with files.translated(directory), points.around("file.unpack"):
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(directory, filter="data")
        except tarfile.TarError as error:
            raise OtaError(f"{archive} cannot be unpacked: {error}") from None
