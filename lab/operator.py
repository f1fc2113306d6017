"""An operator's workplace for the lab: what a person would type, typed by demo, tests and benchmarks.

Everything goes through the project's own commands, in a directory of its own with an `ota.toml`.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from lab import report, state
from lab.config import LabConfig
from lab.errors import LabError
from lab.gateways import DATABASE_USER, compose_file
from lab.processes import start_process, stop_process

ROOT = Path(__file__).parents[1]
FLEET = "healthguard"
ADMIN = "admin"
# Some polls of a gateway, too.
START_SECONDS = 180.0
TRIAL_SECONDS = 60.0


class Operator:
    """A person with the keys, beside a running lab.

    Args:
        config: the lab.
    """

    def __init__(self, config: LabConfig) -> None:
        self.config = config
        self.env: dict[str, Any] = report.environment(config, state.load_running(config))
        self.directory = config.state_dir / "operator"

    @property
    def gateways(self) -> list[str]:
        """Ids of the lab's gateways."""
        return [gateway["id"] for gateway in self.env["gateways"]]

    @cached_property
    def admin_password(self) -> str:
        """The admin's password, as `init` wrote it."""
        return (self.directory / "admin-password").read_text().strip()

    def init(self) -> None:
        """Keys, repository, control plane's database and `ota.toml`, unless they are there."""
        if (self.directory / "ota.toml").exists():
            return
        state.private_dir(self.directory)
        s3, mqtt = self.env["s3"], self.env["mqtt"]
        credentials = f"[default]\naws_access_key_id = {s3['access_key']}\naws_secret_access_key = {s3['secret_key']}\n"
        state.write_file(self.directory / "s3-credentials", credentials)
        state.write_file(self.directory / "mqtt-password", mqtt["users"]["control-plane"] + "\n")
        state.write_file(self.directory / "passphrase", secrets.token_urlsafe(24) + "\n")
        state.write_file(self.directory / "docker-compose.yml", compose_file(self.config))
        arguments = {
            "--fleet": FLEET,
            "--store": f"s3://{s3['bucket']}",
            "--endpoint-url": s3["endpoint"],
            "--region": s3["region"],
            "--credentials-file": "s3-credentials",
            "--public-url": self.env["repository"]["public_url"],
            "--registry": self.env["registry"]["address"],
            "--insecure-registry": self.env["registry"]["address"],
            "--control-plane-url": self.env["control_plane"]["url"],
            "--listen": f"{self.env['control_plane']['host']}:{self.env['control_plane']['port']}",
            "--mqtt-host": mqtt["host"],
            "--mqtt-port": str(mqtt["port"]),
            "--mqtt-username": "control-plane",
            "--mqtt-password-file": "mqtt-password",
            "--mqtt-ca-file": mqtt["ca_path"],
            "--inventory": "inventory.yml",
            "--compose": "docker-compose.yml",
            "--admin": ADMIN,
        }
        self.manager("init", *(word for pair in arguments.items() for word in pair))

    def serve(self) -> None:
        """Start the control plane unless it runs, and wait until it answers."""
        start_process(
            Path(self.env["run_dir"]),
            report.CONTROL_PLANE,
            self.manager_argv("serve"),
            env=self.environment(),
            cwd=self.directory,
        )
        url = self.env["control_plane"]["url"] + "/api/v1/health"
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(url, timeout=2).close()
                return
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    log = Path(self.env["run_dir"]) / f"{report.CONTROL_PLANE}.log"
                    raise LabError(f"the control plane does not answer at {url}: {error}; see {log}") from None
                time.sleep(0.2)

    def write_inventory(self, pull: Collection[str] = ()) -> None:
        """The operator's inventory: the lab's addresses, what provisioning needs, and who pulls.

        Args:
            pull: gateways that are assigned and woken; the others are pushed to.
        """
        for gateway in self.gateways:
            password = self.env["mqtt"]["users"][gateway]
            directory = state.private_dir(self.directory / "mqtt")
            state.write_file(directory / gateway, password + "\n")
        hosts = {
            item["id"]: {
                "ansible_host": item["address"],
                "ota_delivery": "pull" if item["id"] in pull else "push",
            }
            for item in self.env["gateways"]
        }
        document = {"gateways": {"hosts": hosts, "vars": self._connection() | self._provisioning()}}
        # JSON is YAML.
        state.write_file(self.directory / "inventory.yml", json.dumps(document, indent=2) + "\n")

    def provision(self) -> None:
        """Install the updater on all gateways and register them, by the project's playbook."""
        self.write_inventory()
        self.run(["ansible-playbook", *self.provision_arguments()])

    def provision_arguments(self) -> list[str]:
        """The arguments of `ansible-playbook` that provision the fleet."""
        return ["-i", "inventory.yml", str(ROOT / "playbooks" / "provision.yml")]

    def wait_online(self) -> None:
        """Wait until every gateway has reported to the control plane what it runs.

        Raises:
            LabError: a gateway reported nothing.
        """
        deadline = time.monotonic() + START_SECONDS
        while silent := [g["id"] for g in self.api("gateways")["gateways"] if not g["version"]]:
            if time.monotonic() > deadline:
                raise LabError(f"the control plane has not heard of {', '.join(silent)}")
            time.sleep(0.5)

    def _connection(self) -> dict[str, Any]:
        ssh = self.env["ssh"]
        options = f"-o UserKnownHostsFile={ssh['known_hosts_path']} -o StrictHostKeyChecking=yes"
        return {
            "ansible_user": ssh["user"],
            "ansible_ssh_private_key_file": ssh["key_path"],
            "ansible_ssh_common_args": f"{options} -o IdentitiesOnly=yes",
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def _provisioning(self) -> dict[str, Any]:
        mqtt, passwords = self.env["mqtt"], self.directory / "mqtt"
        return {
            "ota_gateway_fleet": FLEET,
            "ota_gateway_root": str(self.directory / "root.json"),
            "ota_gateway_repository_url": self.env["repository"]["public_url"],
            "ota_gateway_initial_version": "1.0.0",
            "ota_gateway_groups": ["boston"],
            "ota_gateway_hardware": "lab-box",
            "ota_gateway_variables": {"site_name": "Boston"},
            "ota_gateway_databases": [
                {"type": "postgresql", "service": "database", "user": DATABASE_USER, "name": DATABASE_USER}
            ],
            "ota_gateway_probes": [{"type": "mqtt", "host": "127.0.0.1", "port": 1883}],
            "ota_gateway_register": True,
            "ota_gateway_api_url": self.env["control_plane"]["url"],
            "ota_gateway_token_file": f"{self.directory}/tokens/{{{{ inventory_hostname }}}}",
            "ota_gateway_mqtt_host": mqtt["host"],
            "ota_gateway_mqtt_port": mqtt["port"],
            "ota_gateway_mqtt_password": f"{{{{ lookup('file', '{passwords}/' ~ inventory_hostname) }}}}",
            "ota_gateway_mqtt_ca_file": mqtt["ca_path"],
            "ota_gateway_poll_seconds": 30,
            "ota_gateway_restart_command": "/usr/local/sbin/lab-agent restart",
            "ota_gateway_trial_seconds": TRIAL_SECONDS,
        }

    def stop(self) -> None:
        """Stop the control plane."""
        stop_process(Path(self.env["run_dir"]), report.CONTROL_PLANE)

    def reset(self) -> None:
        """Forget the workplace, and empty the bucket."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        s3 = self.env["s3"]
        client = boto3.client(
            "s3",
            endpoint_url=s3["endpoint"],
            region_name=s3["region"],
            aws_access_key_id=s3["access_key"],
            aws_secret_access_key=s3["secret_key"],
        )
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=s3["bucket"]):
            for item in page.get("Contents", []):
                client.delete_object(Bucket=s3["bucket"], Key=item["Key"])

    def manager_argv(self, *arguments: str) -> list[str]:
        """The command line of one `ota_manager.py` command."""
        return [sys.executable, str(ROOT / "ota_manager.py"), *arguments]

    def environment(self) -> dict[str, str]:
        """The environment of the operator's commands: passphrases, and nothing else that is secret."""
        passphrase = (self.directory / "passphrase").read_text().strip()
        roles = {f"OTA_{role}_PASSPHRASE": passphrase for role in ("ROOT", "RELEASE", "ONLINE")}
        virtual = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {"OTA_CONFIG": str(self.directory / "ota.toml"), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        return {**os.environ, **roles, **own, "PATH": virtual}

    def run(
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        capture: bool = True,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the workplace.

        Raises:
            LabError: it failed and `check` is true; with what it printed.
        """
        done = subprocess.run(
            list(argv),
            cwd=cwd or self.directory,
            env={**self.environment(), **(env or {})},
            text=True,
            capture_output=capture,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if check and done.returncode:
            shown = f"\n{done.stdout}\n{done.stderr}" if capture else ""
            raise LabError(f"exit {done.returncode}: {shlex.join(argv)}{shown}")
        return done

    def manager(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `ota_manager.py`; see `run`."""
        return self.run(self.manager_argv(*arguments), check=check)

    def manager_json(self, *arguments: str) -> Any:
        """Run `ota_manager.py ... --json` and parse what it prints."""
        return json.loads(self.manager(*arguments, "--json").stdout)

    def on_gateway(self, gateway: str, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command on a gateway, over SSH as the controller would."""
        ssh = ["ssh", "-i", self.env["ssh"]["key_path"], "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        ssh += ["-o", f"UserKnownHostsFile={self.env['ssh']['known_hosts_path']}", "-o", "LogLevel=ERROR"]
        address = self.config.gateway_address(gateway)
        return self.run([*ssh, f"root@{address}", shlex.join(argv)], check=check, cwd=ROOT)

    def container(self, gateway: str) -> str:
        """The container that plays a gateway: for what SSH cannot do."""
        return str(next(item["container"] for item in self.env["gateways"] if item["id"] == gateway))

    def close_ssh(self, gateway: str) -> None:
        """Make a gateway unreachable by SSH, as behind a NAT, until `open_ssh` or its restart."""
        self._ssh_rule(gateway, "-I")

    def open_ssh(self, gateway: str) -> None:
        """Undo `close_ssh`."""
        self._ssh_rule(gateway, "-D")

    def _ssh_rule(self, gateway: str, action: str) -> None:
        rule = ["iptables", action, "INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP"]
        self.run(["docker", "exec", self.container(gateway), *rule], cwd=ROOT)

    def api(self, path: str) -> Any:
        """GET from the control plane's API with the operator's token."""
        token = (self.directory / "operator-token").read_text().strip()
        url = f"{self.env['control_plane']['url']}/api/v1/{path}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def client_json(self, gateway: str, *arguments: str, check: bool = True) -> Any:
        """Run `ota_client.py ... --json` on a gateway, as the person on site would; parse its answer."""
        line = f"cd /opt/restaurant-gateway/ota && python3 ota_client.py {shlex.join(arguments)} --json"
        return json.loads(self.on_gateway(gateway, "sh", "-c", line, check=check).stdout)
