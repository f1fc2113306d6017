"""Options of `create-update` whose value is more than a word: JSON, and what the manifest's models limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ota_py import names
from ota_py.errors import ManifestError, UsageError
from ota_py.manifest import MANIFEST_MAX_BYTES, Compatibility, Data, Hook
from ota_py.manifest_health import Health
from ota_py.strict_json import describe, parse_json

M = TypeVar("M", bound=BaseModel)

IMAGES_HINT = """use a JSON object, for example --images '{"mqtt-bridge": "healthguard/mqtt-bridge:1.2.0"}'"""
HEALTH_HINT = """use a JSON list, for example --health '[{"type": "tcp", "host": "127.0.0.1", "port": 1883}]'"""

HOOKS_HINT = (
    """use a JSON list, for example """
    """--hooks '[{"at": "before-stop", "service": "app", "command": ["/flush"]}]'"""
)


def parse_images(text: str) -> dict[str, str]:
    """The value of `--images`: image by Compose service.

    Raises:
        UsageError: not a JSON object of names, or a service named twice.
    """
    images = _json("--images", text, IMAGES_HINT)
    if not isinstance(images, dict) or not all(isinstance(image, str) for image in images.values()):
        raise UsageError("--images does not map service names to image names", hint=IMAGES_HINT)
    return images


def parse_health(text: str | None, settle_seconds: float | None) -> Health:
    """The values of `--health`, a JSON list of probes or a file that holds one, and `--settle-seconds`.

    Raises:
        UsageError: unreadable, not such a list, or beyond a limit.
    """
    fields: dict[str, Any] = {}
    if text is not None:
        fields["probes"] = _json("--health", _text_or_file("--health", text, HEALTH_HINT), HEALTH_HINT)
    if settle_seconds is not None:
        fields["settle_seconds"] = settle_seconds
    return _model(Health, fields, "--health or --settle-seconds", HEALTH_HINT)


def parse_hooks(text: str | None) -> list[Hook]:
    """The value of `--hooks`, a JSON list of hooks or a file that holds one.

    Raises:
        UsageError: unreadable, not such a list, or a hook that the manifest does not allow.
    """
    if text is None:
        return []
    entries = _json("--hooks", _text_or_file("--hooks", text, HOOKS_HINT), HOOKS_HINT)
    if not isinstance(entries, list):
        raise UsageError("--hooks is not a JSON list", hint=HOOKS_HINT)
    return [_model(Hook, entry, f"--hooks, entry {n}", HOOKS_HINT) for n, entry in enumerate(entries, 1)]


def parse_compatibility(**fields: Any) -> Compatibility:
    """The manifest's compatibility: `--min-version`, `--max-version`, `--architecture` and the like.

    Raises:
        UsageError: a value that the manifest does not allow.
    """
    for name in ("min_version", "max_version"):
        if fields[name] is not None:
            names.parse_version(fields[name])
    return _model(Compatibility, fields, "these versions, --architecture, --hardware or --group", "")


def parse_data(*, migrates: bool, on_rollback: str) -> Data:
    """The values of `--migrates` and `--on-rollback`.

    Raises:
        UsageError: data that the old version cannot read would be kept for it.
    """
    if migrates and on_rollback == "keep":
        raise UsageError(
            "--migrates and --on-rollback keep exclude each other: the old version could not read its data",
            hint="leave one of them out",
        )
    return _model(Data, {"migrates": migrates, "on_rollback": on_rollback}, "--on-rollback", "")


def _model(model: type[M], fields: Any, options: str, hint: str) -> M:
    try:
        return model.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        raise UsageError(f"{options} cannot be used: {describe(error)}", hint=hint) from None


def _json(option: str, text: str, hint: str) -> Any:
    try:
        return parse_json(text.encode(), option, MANIFEST_MAX_BYTES)
    except ManifestError as error:
        raise UsageError(error.message, hint=hint) from None


def _text_or_file(option: str, text: str, hint: str) -> str:
    if text.lstrip().startswith(("[", "{")):
        return text
    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option}: cannot read the file {text}: {error}", hint=hint) from None
