"""Changes of the operator's root.json, and of the keys in ota.toml after a change of root."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuf.api.metadata import Root

from ota_py import durable
from ota_py.errors import ConfigError, KeyFileError
from ota_py.manager.config.model import ManagerConfig, parse_config
from ota_py.trust.documents.root_change import KEY_ROLES, role_keys
from ota_py.trust.keys.key_files import PUBLIC_SUFFIX, read_public
from ota_py.trust.keys.signers import FILE_SCHEME


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file as a whole: after a power cut it is the old one or the new one.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        durable.replace(path, data, path.stat().st_mode & 0o777 if path.exists() else 0o644)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def wanted_uris(config: ManagerConfig, root: Root, new: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The URIs that `[keys]` should name from now on, for the roles where it names others now.

    What belongs to a key that root no longer names goes. What is in a file beside it, and belongs to a key
    that root names now, comes. Whose key a URI is, is known from its public key file; one without stays.

    Args:
        new: URIs of new keys by role, as far as they are known.
    """
    wanted = {}
    for role in KEY_ROLES:
        named = set(role_keys(root, role).ids)
        now = config.keys.of(role)
        kept = [uri for uri in now if (keyid := _key_id(uri)) is None or keyid in named]
        found = [*kept, *new.get(role, []), *_beside(now, named)]
        unique = list(dict.fromkeys(found))
        if unique and unique != now:
            wanted[role] = unique
    return wanted


def name_keys(config: ManagerConfig, wanted: Mapping[str, Sequence[str]]) -> None:
    """Write URIs of keys into ota.toml; the rest of the file stays as it is.

    Raises:
        ConfigError: the file is written in a way that this does not understand; the hint has the lines to write.
    """
    text = config.path.read_text(encoding="utf-8")
    changed = text
    for role, uris in wanted.items():
        changed = _with_line(changed, role, _toml(config, uris))
    hint = "; ".join(f"{role} = {_toml(config, uris)}" for role, uris in wanted.items())
    try:
        result = parse_config(tomllib.loads(changed), config.path)
    except (tomllib.TOMLDecodeError, ConfigError):
        result = config
    if any(result.keys.of(role) != list(uris) for role, uris in wanted.items()):
        raise ConfigError(f"{config.path} must name the new keys", hint=f"write there, under [keys]: {hint}")
    replace_file(config.path, changed.encode())


def _with_line(text: str, role: str, value: str) -> str:
    line = re.compile(rf"(?m)^(\s*{role}\s*=).*$")
    table = re.search(r"(?ms)^\[keys\]\s*\n(.*?)(?=^\[|\Z)", text)
    if table is None:
        return f"{text.rstrip()}\n\n[keys]\n{role} = {value}\n"
    body = table[1]
    if line.search(body):
        body = line.sub(lambda found: f"{found[1]} {value}", body, count=1)
    else:
        body = f"{role} = {value}\n{body}"
    return text[: table.start(1)] + body + text[table.end(1) :]


def _toml(config: ManagerConfig, uris: Sequence[str]) -> str:
    prefix = f"{FILE_SCHEME}{config.path.parent}/"
    short = [FILE_SCHEME + uri.removeprefix(prefix) if uri.startswith(prefix) else uri for uri in uris]
    return json.dumps(short[0] if len(short) == 1 else short, ensure_ascii=False)


def _beside(uris: Sequence[str], named: set[str]) -> list[str]:
    """Private key files in the directories of `uris` whose public part is one of `named`."""
    directories = {Path(uri.removeprefix(FILE_SCHEME)).parent for uri in uris if uri.startswith(FILE_SCHEME)}
    found = []
    for public in sorted(path for directory in directories for path in directory.glob(f"*{PUBLIC_SUFFIX}")):
        private = public.with_suffix(".pem")
        uri = f"{FILE_SCHEME}{private}"
        if private.exists() and _key_id(uri) in named:
            found.append(uri)
    return found


def _key_id(uri: str) -> str | None:
    if not uri.startswith(FILE_SCHEME):
        return None
    try:
        return read_public(Path(uri.removeprefix(FILE_SCHEME)).with_suffix(PUBLIC_SUFFIX)).keyid
    except KeyFileError:
        return None
