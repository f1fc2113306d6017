"""Software bills of materials, read on the operator's machine: SPDX or CycloneDX, as JSON."""

from __future__ import annotations

from pathlib import Path

from ota_py.errors import ManifestError, UsageError
from ota_py.hashes import sha256_of
from ota_py.manifest import FILE_MAX_BYTES, Sbom
from ota_py.strict_json import parse_json
from ota_py.trust import layout


def parse_sbom(text: str) -> tuple[str | None, Path]:
    """Parse the option value `SERVICE=FILE`, or `FILE` for the whole update."""
    service, equals, path = text.partition("=")
    return (service, Path(path)) if equals else (None, Path(text))


def read_sbom(version: str, service: str | None, path: Path) -> tuple[Sbom, bytes]:
    """The entry of an SBOM in the manifest, and its bytes.

    Raises:
        UsageError: it cannot be read, is too large, or is neither SPDX nor CycloneDX in JSON.
        ValidationError: pydantic's, when the service's name is not one.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read the SBOM {path}: {error.strerror}") from None
    try:
        document = parse_json(data, f"the SBOM {path}", FILE_MAX_BYTES)
    except ManifestError as error:
        raise UsageError(error.message) from None
    entry = Sbom.model_validate(
        {
            "service": service,
            "format": _format(document, path),
            "target": layout.sbom_path(version, service),
            "sha256": sha256_of(data),
            "length": len(data),
        }
    )
    return entry, data


def _format(document: object, path: Path) -> str:
    if isinstance(document, dict) and document.get("bomFormat") == "CycloneDX":
        return "cyclonedx"
    if isinstance(document, dict) and "spdxVersion" in document:
        return "spdx"
    raise UsageError(
        f"{path} is neither SPDX nor CycloneDX in JSON",
        hint="make it for example with `syft IMAGE -o spdx-json` or `trivy image --format cyclonedx IMAGE`",
    )
