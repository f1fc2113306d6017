"""Unpacking of wheelhouse archives that were checked."""

from __future__ import annotations

from pathlib import Path

from ota_py.errors import OtaError
from ota_py.gateway.system import failpoints, files


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a checked plain tar archive into a new directory; nothing in it may lead elsewhere.

    Raises:
        NoSpaceError: the disk is full.
        OtaError: the file is not such an archive.
    """
    import tarfile

    files.make_directory(directory, 0o700)
    with files.translated(directory), failpoints.around("file.unpack"):
        try:
            # Plain tar only: nothing in it can then become larger than the archive is.
            with tarfile.open(archive, "r:") as tar:
                if any(member.issparse() for member in tar):
                    raise OtaError(f"{archive} cannot be unpacked: it holds a sparse file")
                tar.extractall(directory, filter="data")
        except (
            tarfile.TarError,
            EOFError,
            ValueError,
            LookupError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise OtaError(f"{archive} cannot be unpacked: {str(error)[:300]}") from None
