"""A change of root from the command line: show it, confirm, sign it, and publish it or pass it on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from tuf.api.metadata import Root

from ota_py.cli import echo_json
from ota_py.errors import UsageError
from ota_py.manager.config.secrets import ONLINE_KEY, Passphrases
from ota_py.manager.console.confirm import confirm
from ota_py.manager.context import CommandContext
from ota_py.manager.controlplane.update_records import compare_registered
from ota_py.manager.rootchange.plan import RootChangePlan, plan
from ota_py.manager.rootchange.publish import publish_change, request_path, sign_here
from ota_py.manager.rootchange.report import plan_json, plan_lines, published_json, published_lines
from ota_py.manager.signing.new_key import KeySource, make_role_key, read_source
from ota_py.manager.signing.request_text import missing_lines
from ota_py.trust.documents.root_change import ONLINE, RoleKeys, find_key, role_keys, with_key, without_key
from ota_py.trust.documents.signatures import Signing
from ota_py.trust.documents.signing_request import SigningRequest, write_request
from ota_py.trust.keys.key_files import public_path
from ota_py.trust.keys.signers import FILE_SCHEME
from ota_py.trust.verify import parse_root


def roles_of(name: str) -> tuple[str, ...]:
    """The roles that a role's name on the command line means."""
    return ONLINE if name == ONLINE_KEY else (name,)


class RootChange:
    """A change of root that an operator requests.

    Args:
        options: those of the command: `key_uris`, `resign`, `request`, `yes`, `passphrase_fd`, `as_json`.
    """

    def __init__(self, context: CommandContext, options: Mapping[str, Any]) -> None:
        self._context = context
        self._options = options
        self.passphrases = Passphrases(options["passphrase_fd"])

    @cached_property
    def _root(self) -> Root:
        return parse_root(self._context.newest_root)

    def role(self, role: str) -> RoleKeys:
        """The keys of a role as they are now; those of `online` where snapshot and timestamp share them.

        Raises:
            UsageError: they do not.
        """
        first, *others = (role_keys(self._root, each) for each in roles_of(role))
        if any((each.ids, each.threshold) != (first.ids, first.threshold) for each in others):
            raise UsageError(
                "snapshot and timestamp have keys of their own",
                hint="name one of the two; `keys list` shows their keys",
            )
        return first

    def find(self, role: str, beginning: str | None) -> str:
        """The id of the key that leaves a role.

        Raises:
            UsageError: there are several, and none was named.
            NotFoundError: there is no such key.
        """
        now = self.role(role)
        if beginning is None and len(now.keys) > 1:
            raise UsageError(
                f"there are {len(now.keys)} {role} keys",
                hint=f"say by --old which one goes: {', '.join(keyid[:16] for keyid in now.ids)}",
            )
        return find_key(now, role, beginning or "").keyid

    @contextmanager
    def new_key(self, role: str, to: str | None) -> Iterator[KeySource]:
        """The new key of a role: named, or made beside that of ota.toml, and removed when the block fails."""
        if to:
            yield read_source(to, self.passphrases)
            return
        now = self._context.config.keys.of(roles_of(role)[0])[0]
        if not now.startswith(FILE_SCHEME):
            raise UsageError(f"the {role} key is {now}", hint="make the new key there, and name it by --to")
        directory = Path(now.removeprefix(FILE_SCHEME)).parent
        path = directory / f"{role}-{self._root.version + 1}.pem"
        source = make_role_key(path, role, self.passphrases, unencrypted=self._options["unencrypted"])
        try:
            yield source
        except BaseException:
            if parse_root(self._context.root).version == self._root.version and not self._in_store(source):
                path.unlink()
                public_path(path).unlink()
            raise

    def replace(self, role: str, gone: str, source: KeySource, *, resign_default: str | None = None) -> None:
        """Put a key of a role in the place of another one, with the threshold as it is."""
        now = self.role(role)
        threshold = self._options.get("threshold") or now.threshold
        wanted = without_key(with_key(now, source.key, threshold), gone, threshold)
        self.carry_out(role, wanted, [source], resign_default=resign_default)

    def carry_out(
        self,
        role: str | None,
        wanted: RoleKeys | None,
        sources: Sequence[KeySource],
        *,
        resign_default: str | None = None,
    ) -> None:
        """Show the change, have it confirmed, sign it with the keys here, and publish it or write the request.

        Args:
            role: whose keys change; None: nobody's, root is signed anew.
            wanted: what they become.
            sources: the new keys.
            resign_default: what `--resign` means where it is not given; None: it must be.
        """
        options = self._options
        resign = options["resign"] or resign_default
        changes = dict.fromkeys(roles_of(role), wanted) if role and wanted else {}
        now = datetime.now(UTC)
        planned = plan(
            self._context.store,
            self._context.newest_root,
            self._context.config.fleet,
            changes,
            resign.split(",") if resign else None,
            now,
            self._context.config.expiry.lifetimes,
        )
        compared = compare_registered(
            lambda version: self._context.control_plane.update(version), planned.signing.request
        )
        if not options["as_json"]:
            for line in [*plan_lines(planned), *compared]:
                click.echo(line)
        confirm("Make this change?", yes=options["yes"])
        new = [source.uri for source in sources if source.uri]
        given = [*options["key_uris"], *new]
        request = sign_here(planned.signing.request, self._context.config.keys, (), self.passphrases, given)
        if Signing(request).missing():
            self._pass_on(planned, request)
            return
        file = request_path(planned.signing, self._options["request"])
        renamed = dict.fromkeys(changes, new)
        done = publish_change(self._context, request, given, self.passphrases, now, file, renamed)
        if options["as_json"]:
            echo_json(plan_json(planned) | published_json(done))
            return
        for line in published_lines(done):
            click.echo(line)

    def _pass_on(self, planned: RootChangePlan, request: SigningRequest) -> None:
        path = request_path(planned.signing, self._options["request"])
        write_request(request, path)
        missing = Signing(request).missing()
        if self._options["as_json"]:
            result = {"published": False, "request": str(path), "missing": [vars(each) for each in missing]}
            echo_json(plan_json(planned) | result)
            return
        click.echo(f"Nothing has changed yet: more signatures are needed. Pass {path} on:")
        for line in missing_lines(Signing(request)):
            click.echo(f"  {line}")
        click.echo(f"Each runs `ota_manager.py sign {path.name} --key URI`; after the last one, here:")
        click.echo(f"  ota_manager.py publish {path}")

    def _in_store(self, source: KeySource) -> bool:
        """Whether the store may name a key already: then it must not get lost."""
        from ota_py.errors import OtaError
        from ota_py.trust.repository.root_chain import newest_root

        try:
            return source.key.keyid in parse_root(newest_root(self._context.store, self._context.root)).keys
        except OtaError:
            return True
