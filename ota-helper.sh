#!/bin/sh
# The gateway's hands: short commands for the person at the box. All the work is ota_client.py's.
set -eu

usage() {
    cat <<'HELP'
Usage: ota-helper.sh COMMAND [ARGUMENT...]

Commands:
  backup             back up Compose file, configuration, image ids and databases now
  list-backups       list the backups, newest first
  restore [ID]       return to a backup, the newest if none is named
  health-check       check every service and probe; exit status 27 if something is not well
  update FILE        update from a bundle, which needs no network; or from a manifest file, with
                     FILE.sig and files/ beside it
  status             show what runs and how the last transaction ended
  rollback           return to the version before the installed one

Further options (--json, --config FILE, ...) are handed on to ota_client.py.

Examples:
  ota-helper.sh backup
  ota-helper.sh restore 20260101t020000-4f5a6b
  ota-helper.sh update /media/usb/update-1.2.0.bundle
  ota-helper.sh update /media/usb/manifest.json
  ota-helper.sh health-check --json

Exit status: that of ota_client.py (see `ota_client.py --help`), 2 for wrong usage.
HELP
}

fail() {
    printf 'error: %s\nhint: ota-helper.sh --help\n' "$1" >&2
    exit 2
}

client() {
    exec "${PYTHON:-python3}" "$(dirname -- "$(readlink -f -- "$0")")/ota_client.py" "$@"
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
    backup | list-backups | restore | health-check | status | rollback) client "$command" "$@" ;;
    update)
        case ${1:-} in
            '') fail 'update needs a bundle or a manifest file' ;;
            --help) client update --help ;;
            -*) fail "update needs a bundle or a manifest file before its options, got $1" ;;
        esac
        file=$1
        shift
        # A bundle begins with the name of its first member.
        case $(head -c 15 -- "$file" 2>/dev/null | tr -d '\0') in
            ota-bundle.json) client update --bundle "$file" "$@" ;;
            *) client update --manifest "$file" "$@" ;;
        esac
        ;;
    -h | --help | help) usage ;;
    '')
        usage >&2
        exit 2
        ;;
    *) fail "unknown command: $command" ;;
esac
