#!/usr/bin/env bash
# Prepares this machine: Debian packages, then .venv with the project and all it needs.
#
#   lab/setup.sh               everything, for the lab, the tests and the demo
#   lab/setup.sh --no-lab      without what only the lab needs (engine, broker, ...)
#
# Safe to run again: it installs only what is missing or has changed.
set -euo pipefail

root="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)"
venv="$root/.venv"
stamp="$venv/.ota-requirements"
extras=dev
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

# Command or file that proves it, and the package that brings it.
needs_python=("/usr/lib/python3*/ensurepip:python3-venv" "git:git" "ssh:openssh-client")
needs_lab=("dockerd:docker.io" "debootstrap:debootstrap" "mosquitto_pub:mosquitto-clients"
    "iptables:iptables" "/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring")
needs_tests=("docker-registry:docker-registry" "mosquitto:mosquitto" "openssl:openssl" "shellcheck:shellcheck" "strace:strace"
    "softhsm2-util:softhsm2" "ip:iproute2")

say() { printf '%3ds %s\n' "$SECONDS" "$*" >&2; }

die() {
    echo "setup: $*" >&2
    exit 1
}

# Runs a command quietly; shows its output only when it fails.
quietly() {
    "$@" >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        die "failed: $*"
    }
}

missing_packages() {
    local need proof
    for need in "$@"; do
        proof=${need%:*}
        case $proof in
            /*) compgen -G "$proof" >/dev/null || echo "${need##*:}" ;;
            *) command -v "$proof" >/dev/null || [[ -x /usr/sbin/$proof ]] || echo "${need##*:}" ;;
        esac
    done
}

# The newest suitable Python that can make an environment.
find_python() {
    local name
    for name in "${OTA_PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        command -v "${name:-/nonexistent}" >/dev/null || continue
        "$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        command -v "$name"
        return
    done
}

install_packages() {
    local packages
    mapfile -t packages < <(
        [[ -n $(find_python) ]] || echo python3
        [[ -n $(find_python) ]] || missing_packages "${needs_python[0]}"
        missing_packages "${needs_python[@]:1}"
        [[ $with_lab == no ]] || missing_packages "${needs_lab[@]}" "${needs_tests[@]}"
    )
    ((${#packages[@]})) || return 0
    command -v apt-get >/dev/null || die "please install these (Debian's names): ${packages[*]}"
    [[ $(id -u) == 0 ]] || die "please run: sudo apt-get install ${packages[*]}"
    say "[1/3] installing Debian packages: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # Nothing may start by itself: the lab starts its engine and brokers in its own way.
    local policy=/usr/sbin/policy-rc.d made=no
    if [[ ! -e $policy && ! -d /run/systemd/system ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=yes
    fi
    # A machine that has just started may be at its own updates.
    quietly apt-get -o DPkg::Lock::Timeout=600 update
    quietly apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${packages[@]}"
    [[ $made == no ]] || rm -f "$policy"
}

make_venv() {
    local python
    if [[ ! -x $venv/bin/python ]] || ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        python=$(find_python)
        [[ -n $python ]] || die "needs Python 3.11 or newer with venv; install it or set OTA_PYTHON"
        say "[2/3] making $venv with $("$python" --version)"
        quietly "$python" -m venv --clear "$venv"
    fi
}

install_project() {
    local wanted
    wanted="$extras $with_lab $(cat "$root"/requirements*.txt "$root/pyproject.toml" | sha256sum | cut -d' ' -f1)"
    if [[ -e $stamp && $(cat "$stamp") == "$wanted" ]]; then
        return
    fi
    say "[3/3] installing Python packages (about a minute)"
    quietly "$venv/bin/python" -m pip install --quiet -r "$root/requirements-dev.txt" -e "${root}[$extras]"
    # Beside the environment, not in it: see requirements-kms.txt.
    rm -rf "$venv/kms"
    [[ $with_lab == no ]] || quietly "$venv/bin/python" -m pip install --quiet --target "$venv/kms" -r "$root/requirements-kms.txt"
    echo "$wanted" >"$stamp"
}

with_lab=yes
case ${1:-} in
    "") ;;
    --no-lab) with_lab=no ;;
    *)
        sed -n '2,7s/^# \{0,1\}//p' "$0"
        [[ $1 == --help || $1 == -h ]] && exit 0 || exit 2
        ;;
esac

install_packages
make_venv
install_project
say "ready: $venv"
