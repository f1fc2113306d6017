"""What in a resolved Compose project is known to be harmless, and why: all else needs a grant (ADR 24). Pure.

Each table maps keys to a rule. A rule yields what it does not cover: nothing where a value is harmless. A key that
no table has, such as one of a newer Compose, is covered by nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Excess = tuple[str, Any]
Rule = Callable[[str, Any], Iterator[Excess]]


@dataclass(frozen=True)
class Harmless:
    """Keys of a kind, the reason why they are harmless, and what of their values is."""

    keys: str
    why: str
    rule: Rule


def anything(_: str, __: Any) -> Iterator[Excess]:
    """Every value is harmless."""
    return iter(())


def nothing(where: str, value: Any) -> Iterator[Excess]:
    """No value is harmless; the entries of a list count one by one."""
    for entry in value if isinstance(value, list) else [value]:
        yield where, entry


def only(*values: Any) -> Rule:
    """These values are harmless; of a list each entry is one."""

    def rule(where: str, value: Any) -> Iterator[Excess]:
        for entry in value if isinstance(value, list) else [value]:
            if entry not in values:
                yield where, entry

    return rule


def matching(pattern: str) -> Rule:
    """Mappings are harmless whose keys all match."""
    expression = re.compile(pattern)

    def rule(where: str, value: Any) -> Iterator[Excess]:
        for key, entry in value.items() if isinstance(value, dict) else ():
            if not expression.fullmatch(str(key)):
                yield f"{where}.{key}", entry
        if not isinstance(value, dict):
            yield where, value

    return rule


def at_least(least: int) -> Rule:
    """Numbers from `least` up are harmless."""

    def rule(where: str, value: Any) -> Iterator[Excess]:
        if not isinstance(value, int) or value < least:
            yield where, value

    return rule


def keys(table: Mapping[str, Rule]) -> Rule:
    """Mappings are harmless as far as the table covers them; of a list of mappings each."""

    def rule(where: str, value: Any) -> Iterator[Excess]:
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict):
                yield from excess(table, entry, where)
            else:
                yield where, entry

    return rule


def of_each(inner: Rule) -> Rule:
    """Mappings are harmless if each of their values is, whatever its key."""

    def rule(where: str, value: Any) -> Iterator[Excess]:
        for key, entry in value.items() if isinstance(value, dict) else ():
            if not _is_absent(entry):
                yield from inner(f"{where}.{key}", entry)

    return rule


def excess(table: Mapping[str, Rule], body: Mapping[str, Any], where: str = "") -> Iterator[Excess]:
    """What of a mapping the table does not cover, each with its path."""
    for key, value in body.items():
        if not _is_absent(value) and not key.startswith("x-"):  # Compose itself makes nothing of the latter
            yield from table.get(key, nothing)(f"{where}.{key}" if where else key, value)


def _is_absent(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == {}


def _table(*groups: Harmless) -> dict[str, Rule]:
    return {key: group.rule for group in groups for key in group.keys.split()}


_ANY = anything
_NO_SUCH = only(False)

# Keys that compose_requests.py judges by what they lead to: other services, paths, shared parts.
_JUDGED_APART = "volumes volumes_from networks configs secrets privileged use_api_socket"
_NAMESPACES = "network_mode pid ipc uts userns_mode cgroup"

_STEP = _table(Harmless("command user working_dir environment", "a command inside the container", _ANY),
               Harmless("privileged", "judged apart", _ANY))  # fmt: skip
_LOGGING = _table(
    Harmless("driver", "written by Docker itself on this machine; other drivers send logs elsewhere, or are plug-ins",
             only("json-file", "local", "journald", "none")),
    Harmless("options", "size and labels of that log", matching(
        r"max-size|max-file|max-buffer-size|compress|mode|labels|labels-regex|env|env-regex|tag")),
)  # fmt: skip
_LIMITS = _table(Harmless("cpus memory pids", "takes away", _ANY))
_RESERVATIONS = _table(Harmless("cpus memory", "read by Swarm alone", _ANY))
_RESOURCES = _table(
    Harmless("limits", "takes away", keys(_LIMITS)),
    Harmless("reservations", "without devices", keys(_RESERVATIONS)),
)
_DEPLOY = _table(
    Harmless("mode replicas labels restart_policy update_config rollback_config placement endpoint_mode",
             "how many and how they are restarted; the rest is read by Swarm alone", _ANY),
    Harmless("resources", "limits", keys(_RESOURCES)),
)  # fmt: skip
# Labels by which Compose and this software know their containers; whoever sets them hides one, or claims one.
_LABELS = matching(r"(?!com\.docker\.|ota[.-]).*")

SERVICE_GROUPS = (
    Harmless("image platform pull_policy pull_refresh_after", "which image runs is judged apart: signed, or as before",
             _ANY),
    Harmless("command entrypoint environment working_dir user group_add hostname domainname init tty stdin_open attach "
             "read_only tmpfs shm_size healthcheck env_file label_file extends profiles",
             "what happens inside the container; files that are read for it are judged as text", _ANY),
    Harmless("post_start pre_stop", "commands inside the container", keys(_STEP)),
    Harmless("restart stop_grace_period stop_signal scale depends_on links", "when it runs, among its own project",
             _ANY),
    Harmless("cap_drop mem_limit mem_reservation memswap_limit mem_swappiness cpus cpu_count cpu_percent cpu_shares "
             "cpu_quota cpu_period cpuset pids_limit ulimits", "takes away, or shares out what all have", _ANY),
    Harmless("ports expose dns dns_opt dns_search extra_hosts mac_address",
             "what a service shows to the network is what it is for; a port that is in use is refused", _ANY),
    Harmless("container_name", "a name that is in use is refused by Docker", _ANY),
    Harmless("labels", "for people and for other services", _LABELS),
    Harmless("deploy", "only what Compose itself reads", keys(_DEPLOY)),
    Harmless("develop", "read by `docker compose watch` alone", _ANY),
    Harmless("logging", "a log on this machine", keys(_LOGGING)),
    Harmless("security_opt", "takes a right away",
             only("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")),
    Harmless("oom_score_adj", "the kernel takes it before others", at_least(0)),
    Harmless("oom_kill_disable", "the kernel may end it", _NO_SUCH),
    Harmless("sysctls", "of namespaces that are the container's own: Docker refuses them with those of the host",
             matching(r"net\..*|fs\.mqueue\..*|kernel\.(msg|sem|shm).*")),
    Harmless("runtime", "Docker's own", only("runc")),
    Harmless(_JUDGED_APART, "judged by what it leads to", _ANY),
    Harmless(_NAMESPACES, "judged by what it leads to", _ANY),
)  # fmt: skip
SERVICE = _table(*SERVICE_GROUPS)

NAMESPACE_VALUES = {
    "network_mode": ("none", "bridge", "default"),
    "pid": (),
    "ipc": ("none", "private", "shareable"),
    "uts": (),
    "userns_mode": (),
    "cgroup": ("private",),
}

MOUNT_GROUPS = (
    Harmless("type source target read_only consistency", "judged by what it leads to", _ANY),
    Harmless("bind", "made where it is missing; propagation and relabelling reach beyond the container",
             keys({"create_host_path": _ANY})),
    Harmless("volume", "not filled from the image", keys({"nocopy": _ANY})),
    Harmless("tmpfs", "memory of the container", keys({"size": _ANY, "mode": _ANY})),
)  # fmt: skip
MOUNT = _table(*MOUNT_GROUPS)
MOUNT_TYPES = ("bind", "volume", "tmpfs")

# A volume's name, its options and whether it is external are judged apart.
VOLUME_GROUPS = (
    Harmless("name driver_opts external", "judged apart", _ANY),
    Harmless("driver", "a directory of Docker's own", only("local")),
    Harmless("labels", "for people", _LABELS),
)
VOLUME = _table(*VOLUME_GROUPS)
# Of a file system in memory; all else that the kernel's mount takes can lead elsewhere.
TMPFS_OPTION = re.compile(r"(size|nr_inodes|mode|uid|gid)=\w+%?|ro|rw|nosuid|nodev|noexec|noatime|relatime")
# Of a bind mount: what does not spread beyond it.
BIND_OPTION = re.compile(r"r?bind|ro|rw|nosuid|nodev|noexec|noatime|relatime")

NETWORK_GROUPS = (
    Harmless("name external", "judged apart", _ANY),
    Harmless("driver", "a bridge of Docker's own", only("bridge", "default")),
    Harmless("internal attachable enable_ipv4 enable_ipv6", "who is on it is judged by who joins it", _ANY),
    Harmless("labels", "for people", _LABELS),
    Harmless("driver_opts", "the size of packets, and whether containers see each other", matching(
        r"com\.docker\.network\.(driver\.mtu|bridge\.enable_icc)")),
)  # fmt: skip
NETWORK = _table(*NETWORK_GROUPS)
NETWORK_OF_SERVICE_GROUPS = (
    Harmless("aliases ipv4_address ipv6_address priority gw_priority mac_address interface_name",
             "names and addresses within a network of the project", _ANY),
)  # fmt: skip
NETWORK_OF_SERVICE = _table(*NETWORK_OF_SERVICE_GROUPS)

# Of configs and secrets.
FILE_GROUPS = (
    Harmless("name labels", "a name of the project", _ANY),
    Harmless("file", "judged as a mount", _ANY),
    Harmless("content environment", "what the text of the Compose file can say as well", _ANY),
)
FILE = _table(*FILE_GROUPS)
FILE_OF_SERVICE_GROUPS = (Harmless("source target uid gid mode", "where it is in the container", _ANY),)
FILE_OF_SERVICE = _table(*FILE_OF_SERVICE_GROUPS)

TOP_GROUPS = (
    Harmless("name version", "the project's name is given to Compose; the version is read by nobody", _ANY),
    Harmless("services volumes networks configs secrets", "judged one by one", _ANY),
)
TOP = _table(*TOP_GROUPS)
