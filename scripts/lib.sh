# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by the other scripts: messages, cache, locks, the record of versions.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
CACHE=${UDRV_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or UDRV_CACHE}/.cache}/udrv}

# The parts of the environment that would change what tools write.
export LC_ALL=C
unset CDPATH GREP_OPTIONS

mkdir -p "$CACHE" "$BUILD"
CACHE=$(cd "$CACHE" && pwd -P)

say() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

die() {
    say "$*"
    exit 1
}

have() {
    command -v "$1" > /dev/null 2>&1
}

# version_ge A B: A is B or newer, by Debian's rules.
version_ge() {
    dpkg --compare-versions "$1" ge "$2"
}

# lock NAME: hold $CACHE/NAME.lock until the script ends. The file descriptor is the lock, so that a
# killed run leaves nothing behind; background children inherit it and keep it as long as they work.
declare -A LOCKS=()
lock() {
    local fd file=$CACHE/$1.lock
    [ -z "${LOCKS[$1]:-}" ] || return 0
    mkdir -p "$(dirname "$file")"
    exec {fd}> "$file"
    if ! flock -n "$fd"; then
        say "waiting for another run that holds $file"
        flock "$fd"
    fi
    LOCKS[$1]=$fd
}

# unlock NAME: let go before the script ends
unlock() {
    local fd=${LOCKS[$1]:-}
    [ -n "$fd" ] || return 0
    exec {fd}>&-
    unset "LOCKS[$1]"
}

# fresh_dir DIR: an empty directory to build something in, before it is renamed to where it counts.
fresh_dir() {
    rm -rf -- "$1"
    mkdir -p -- "$1"
}

# digest FILE: FILE.sha256, which `udrvctl update` looks for beside what it is given
digest() {
    local tmp=$1.sha256.$$
    (cd "$(dirname "$1")" && sha256sum "$(basename "$1")") > "$tmp"
    mv -f "$tmp" "$1.sha256"
}

# record NAME TEXT: one line per NAME in build/versions.txt
record() {
    local file=$BUILD/versions.txt tmp
    tmp=$(mktemp "$BUILD/.versions.XXXXXX")
    { grep -v "^$1: " "$file" 2> /dev/null || true; printf '%s: %s\n' "$1" "$2"; } | sort > "$tmp"
    chmod 644 "$tmp"
    mv -f "$tmp" "$file"
    say "$1: $2"
}
