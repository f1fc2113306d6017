"""The content of a signing request in words for its signers, taken from the bytes to be signed. Pure."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Root, Targets

from ota_py.manager.signing.manifest_text import effect_lines
from ota_py.manifest import Manifest, parse_manifest
from ota_py.trust.documents.metadata import ID_LENGTH
from ota_py.trust.documents.root_change import KEY_ROLES, RoleChange, differences, role_keys
from ota_py.trust.documents.signatures import Signing, list_document, manifest_documents, root_document
from ota_py.trust.repository.resigning import listed_versions

# python-tuf follows so many versions of root at one refresh.
ROOTS_AT_ONCE = 256


def request_lines(signing: Signing) -> list[str]:
    """The documents to be signed, as lines."""
    lines = []
    if root_document(signing.request):
        lines += root_lines(signing.before, signing.after)
    for manifest in manifest_documents(signing.request):
        lines += manifest_lines(parse_manifest(manifest.payload))
    if document := list_document(signing.request):
        listed = document.parsed(Targets)
        named = ", ".join(listed_versions(listed)) or "none"
        lines.append(f"list of updates, version {listed.version}, until {day(listed.expires)}: {named}")
    return lines


def root_lines(before: Root, after: Root) -> list[str]:
    """A change of root as lines: what changes for each role, and what stays."""
    lines = [f"root.json: version {before.version} becomes {after.version}, until {day(after.expires)}"]
    changes = differences(before, after)
    for change in changes:
        lines += change_lines(change)
    if not changes:
        lines.append("  the keys stay as they are")
    lines += [
        f"  {role} stays: {_needed(after, role)}"
        for role in KEY_ROLES
        if role not in {change.role for change in changes}
    ]
    return lines


def change_lines(change: RoleChange) -> list[str]:
    """The change of one role as lines."""
    old, new = change.thresholds
    lines = [f"  {change.role}:"]
    lines += [f"    - {key[:ID_LENGTH]} counts no more" for key in change.removed]
    lines += [f"    + {key[:ID_LENGTH]} counts from now on" for key in change.added]
    lines += [f"      {key[:ID_LENGTH]} stays" for key in change.kept]
    total = len(change.added) + len(change.kept)
    lines.append(f"    {new} of {total} must sign" + (f" (before: {old})" if old != new else ""))
    return lines


def gateway_lines(before: Root, after: Root) -> list[str]:
    """The steps by which gateways follow a change of root, as lines."""
    taken = (
        f"  versions 2 to {after.version} one after the other, up to {ROOTS_AT_ONCE} at once."
        if after.version > 2
        else "  version 2."
    )
    return [
        "Gateways follow by themselves when they next ask, also one that slept since version 1: it takes",
        taken,
        "A gateway without a network trusts the keys before until a bundle brings it the new root.",
    ]


def manifest_lines(manifest: Manifest) -> list[str]:
    """The contents of an update as lines."""
    critical = ", critical" if manifest.critical else ""
    lines = [f"update {manifest.version} of {manifest.fleet}{critical}: {manifest.description or '-'}"]
    for service, image in manifest.images.items():
        lines.append(f"  {service}: {image.reference} {image.digest}")
    for file in manifest.all_files:
        lines.append(f"  {file.dest}: sha256:{file.sha256}")
    lines += effect_lines(manifest)
    for sbom in manifest.sbom:
        lines.append(f"  {sbom.what}: {sbom.format} sha256:{sbom.sha256}")
    for wheelhouse in manifest.agent.wheelhouses if manifest.agent else []:
        lines.append(f"  {wheelhouse.what}: sha256:{wheelhouse.sha256}")
    return lines


def missing_lines(signing: Signing) -> list[str]:
    """The signatures that a request still needs, as lines."""
    return [
        f"{each.document}: {each.count} more of the {each.whose}: " + ", ".join(key[:ID_LENGTH] for key in each.key_ids)
        for each in signing.missing()
    ]


def pass_on_lines(signing: Signing, file: Path) -> list[str]:
    """The next steps for a file that others must sign, or that is to be published elsewhere, as lines."""
    if not signing.missing():
        return [
            "Nothing has changed yet. Where the snapshot and timestamp keys are, run:",
            f"  ota_manager.py publish {file}",
        ]
    return [
        f"Nothing has changed yet: more signatures are needed. Pass {file} on:",
        *(f"  {line}" for line in missing_lines(signing)),
        f"Each runs `ota_manager.py sign {file.name}`; then `ota_manager.py publish {file.name}` here.",
    ]


def day(moment: datetime) -> str:
    """The day of a moment, for people."""
    return moment.strftime("%Y-%m-%d")


def _needed(root: Root, role: str) -> str:
    named = role_keys(root, role)
    return f"{named.threshold} of {', '.join(key[:ID_LENGTH] for key in named.ids)}"
