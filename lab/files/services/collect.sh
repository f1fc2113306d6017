#!/bin/bash
# Makes a root file system in /collected: programs with their libraries, and whole trees.
# Arguments: layer, programs, trees (lists in one word each).
set -euo pipefail
layer=$1 programs=$2 trees=$3
root=/collected

# A library is stored under the name by which it is asked for, in its real (merged /usr) folder.
copy() {
    local path=$1
    [[ $path == /usr/* ]] || path=/usr$path
    mkdir -p "$root$(dirname "$path")"
    cp -L "$path" "$root$path"
}

mkdir -p "$root/usr/bin"
for program in $programs; do
    copy "$program"
    # A static program has no libraries, and ldd says so by failing.
    for library in $(ldd "$program" 2>/dev/null | grep -o '/[^ )]*' || true); do copy "$library"; done
done
for tree in $trees; do
    mkdir -p "$root$(dirname "$tree")"
    cp -a "$tree" "$root$tree"
done

case $layer in
    busybox)
        for applet in $(busybox --list); do
            [[ $applet == busybox ]] || ln -s busybox "$root/usr/bin/$applet"
        done
        mkdir -p "$root"/{dev,etc,proc,sys,root,run,usr/sbin,usr/lib,usr/lib64,var} && mkdir -m 1777 "$root/tmp"
        ln -s ../run "$root/var/run"
        for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
        printf 'root:x:0:0:root:/root:/bin/sh\nservice:x:999:999:service:/:/bin/sh\n' >"$root/etc/passwd"
        printf 'root:x:0:\nservice:x:999:\n' >"$root/etc/group"
        printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
        ;;
    postgres)
        mkdir -p "$root/var/lib/postgresql" "$root/run/postgresql"
        mkdir -m 0700 "$root/var/lib/postgresql/data"
        chown -R 999:999 "$root/var/lib/postgresql" "$root/run/postgresql"
        for program in "$root"/usr/lib/postgresql/17/bin/*; do
            ln -s "../lib/postgresql/17/bin/$(basename "$program")" "$root/usr/bin/"
        done
        ;;
    psql)
        ln -s ../lib/postgresql/17/bin/psql "$root/usr/bin/psql"
        ;;
esac
