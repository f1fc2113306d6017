"""The shared base of the action plugins that act on a gateway.

A module would travel to the gateway as a package and start an interpreter there for each task; these send one
command to the engine installed on the gateway and read its JSON.
"""

from __future__ import annotations

import shlex
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase  # type: ignore[import-untyped]

from ota_py.contract.transactions import State
from ota_py.manager.ansible_base.gateway_answer import Answer, to_result

DEFAULT_DIRECTORY = "/opt/restaurant-gateway/ota"

# Options of the modules that name an update, beside each module's own.
UPDATE_OPTIONS: dict[str, dict[str, Any]] = {
    "version": {"type": "str"},
    "manifest": {"type": "path"},
    "rollout": {"type": "int"},
    "force": {"type": "bool", "default": False},
}


class GatewayAction(ActionBase):  # type: ignore[misc]
    """Base of the plugins that run one command of the gateway's engine; a subclass names it."""

    _supports_check_mode = True
    _supports_async = False

    options: ClassVar[dict[str, dict[str, Any]]] = {}
    rules: ClassVar[dict[str, Any]] = {}
    shows_diff: ClassVar[bool] = False

    def command(self, options: dict[str, Any]) -> list[str]:
        """The command as arguments of `ota_client.py`, without `--json`."""
        raise NotImplementedError

    def perform(self, options: dict[str, Any]) -> dict[str, Any]:
        """The result of a real run; by default the command's answer."""
        return self.run_engine(self.command(options))

    def predict(self, options: dict[str, Any]) -> dict[str, Any]:
        """The result of a check run, which touches nothing; by default the command, which only reads then."""
        return self.perform(options)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the command, or predict its result in check mode; called by Ansible, once per host."""
        super().run(tmp, task_vars)
        spec = {**self.options, "directory": {"type": "path"}}
        _, options = self.validate_argument_spec(spec, **self.rules)
        variables = task_vars or {}
        self.host = str(variables.get("inventory_hostname", ""))
        given = options["directory"] or variables.get("ota_directory") or DEFAULT_DIRECTORY
        self._directory = str(self._templar.template(given))
        if self._task.check_mode:
            return self.predict(options)
        if not (self._task.diff and self.shows_diff):
            return self.perform(options)
        before = self.running()
        result = self.perform(options)
        return {**result, "diff": {"before": before, "after": self.running()}}

    def running(self) -> dict[str, Any]:
        """Version and image digests that run now, for a diff."""
        status = self.run_engine(["status"])
        return {"version": status.get("version"), "digests": status.get("digests", {})}

    def run_engine(self, arguments: list[str]) -> dict[str, Any]:
        """Run the engine with these arguments and return its answer as a result.

        A connection that fails raises Ansible's own error, which makes the host unreachable.
        """
        argv = ["python3", f"{self._directory}/ota_client.py", *arguments, "--json"]
        ended = self._low_level_execute_command(shlex.join(argv))
        return to_result(Answer(ended["rc"], ended["stdout"], ended["stderr"]))


def update_arguments(options: dict[str, Any], until: State | None = None) -> list[str]:
    """The arguments `update ...` for the options of `UPDATE_OPTIONS`, at most to the state `until`."""
    arguments = ["update"]
    if options["version"]:
        arguments += ["--version", options["version"]]
    if options["manifest"]:
        arguments += ["--manifest", options["manifest"]]
    if until:
        arguments += ["--until", until]
    if options["rollout"] is not None:
        arguments += ["--rollout", str(options["rollout"])]
    if options["force"]:
        arguments.append("--force")
    return arguments


class UpdateAction(GatewayAction):
    """Base of the plugins that run a transaction, or the part of it up to a state."""

    options: ClassVar[dict[str, dict[str, Any]]] = UPDATE_OPTIONS
    rules: ClassVar[dict[str, Any]] = {
        "required_one_of": [["version", "manifest"]],
        "mutually_exclusive": [["version", "manifest"]],
    }
    until: ClassVar[State | None] = None

    def command(self, options: dict[str, Any]) -> list[str]:
        """The arguments `update ...`, up to this module's state."""
        return update_arguments(options, self.until)

    def predict(self, options: dict[str, Any]) -> dict[str, Any]:
        """The result of a check run: the update verified by the gateway's own trust root, compared with what runs."""
        name = "version" if options["version"] else "manifest"
        verified = self.run_engine(["verify", f"--{name}", options[name]])
        if verified.get("failed"):
            return verified
        before = self.running()
        old, new = before["version"], verified["version"]
        after = {"version": new, "digests": {**before["digests"], **verified.get("digests", {})}}
        return {
            **verified,
            "changed": old != new,
            "from_version": old,
            "msg": f"would go from {old} to {new}" if old != new else f"{new} runs already",
            "diff": {"before": before, "after": after},
        }
