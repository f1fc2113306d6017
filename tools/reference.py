"""Generator of docs/reference/ from the code: `python -m tools.reference`. A test fails when they drift.

Each document is a pure function of the code, so that the test can compare without writing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
HELP_WIDTH = 100


def exit_statuses() -> str:
    """The table of errors: exit status, code, meaning."""
    from ota_py.errors import all_errors

    rows = sorted({(cls.exit_status, cls.code, (cls.__doc__ or "").split("\n")[0]) for cls in all_errors()})
    table = "\n".join(f"| {status} | `{code}` | {meaning} |" for status, code, meaning in rows)
    return (
        "# Exit statuses\n\n"
        "Both commands end with one of these. With `--json` the error is on standard output as "
        '`{"error": {"code", "message", "hint", "details"}}`.\n\n'
        "| status | code | meaning |\n|---|---|---|\n| 0 | | done, or nothing to do |\n" + table + "\n"
    )


def states() -> str:
    """The states of a transaction as a diagram and a table."""
    from ota_py.gateway.journal.states import TABLE, mermaid

    rows = "\n".join(
        f"| `{state}` | {rule.effect} | {'yes' if rule.touched else 'no'} | {rule.limit} |"
        for state, rule in TABLE.items()
    )
    return (
        "# States of a transaction\n\n```mermaid\n" + mermaid() + "```\n\n"
        "Before a state that touches services nothing on the gateway has changed.\n\n"
        "| state | what holds once it is reached | services touched | time limit to the next |\n"
        "|---|---|---|---|\n" + rows + "\n"
    )


def policy() -> str:
    """What the gateway's policy knows to be harmless."""
    from ota_py.gateway.policy import harmless

    parts = {
        "a service": harmless.SERVICE_GROUPS,
        "a mount of a service": harmless.MOUNT_GROUPS,
        "a network": harmless.NETWORK_GROUPS,
        "a service in a network": harmless.NETWORK_OF_SERVICE_GROUPS,
        "a volume": harmless.VOLUME_GROUPS,
        "a config or a secret": harmless.FILE_GROUPS,
        "a config or a secret in a service": harmless.FILE_OF_SERVICE_GROUPS,
        "the whole file": harmless.TOP_GROUPS,
    }
    sections = [
        f"## Of {part}\n\n| keys | why |\n|---|---|\n"
        + "".join(f"| `{group.keys.replace(' ', '` `')}` | {group.why} |\n" for group in groups)
        for part, groups in parts.items()
    ]
    return (
        "# What a Compose file may have without a grant\n\n"
        "As far as the reason goes; `x-...` keys mean nothing to Compose. Any other key or value is refused with the\n"
        "line for `[policy.grants]` that would allow it, unless the same service had the same before.\n\n"
        + "\n".join(sections)
    )


def manifest_schema() -> str:
    """The manifest's JSON schema."""
    from ota_py.manifest import Manifest

    return json.dumps(Manifest.model_json_schema(), indent=2, sort_keys=True) + "\n"


def manager_cli() -> str:
    """The help of every command of ota_manager.py."""
    from ota_py.manager.cli import command

    return _cli("ota_manager.py", command)


def gateway_cli() -> str:
    """The help of every command of ota_client.py."""
    from ota_py.gateway.cli import command

    return _cli("ota_client.py", command)


def openapi() -> str:
    """The control plane's OpenAPI document."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ota_py.server.settings")
    import django

    django.setup()
    from ota_py.server.api import api

    # Through JSON first: status codes are integers here, which do not sort among strings.
    schema = json.loads(json.dumps(api.get_openapi_schema(), default=str))
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


DOCUMENTS: dict[str, Callable[[], str]] = {
    "exit-status.md": exit_statuses,
    "states.md": states,
    "policy.md": policy,
    "manifest.schema.json": manifest_schema,
    "ota_manager.md": manager_cli,
    "ota_client.md": gateway_cli,
    "openapi.json": openapi,
}


def _cli(program: str, command: click.Command) -> str:
    parts = [f"# {program}\n"]
    # With the settings that the command runs with: it remembers the help option of its first context.
    top = click.Context(command, info_name=program, terminal_width=HELP_WIDTH, **command.context_settings)
    for context in _walk(top):
        parts.append(f"## {context.command_path}\n\n```text\n{context.get_help()}\n```\n")
    return "\n".join(parts)


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, f"{command.name} lists {name} but has no such command"
            yield from _walk(click.Context(child, info_name=name, parent=context))


def main() -> None:
    """Write all documents, or those named as arguments."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or DOCUMENTS:
        (REFERENCE / name).write_text(DOCUMENTS[name]())
        sys.stdout.write(f"docs/reference/{name}\n")


if __name__ == "__main__":
    main()
