#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian packages that are missing: installed by root, named to others. On a machine made of files. Prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=tests/setup/fake_apt.sh
. "$TOP/tests/setup/fake_apt.sh"

WORK=$BUILD/check/packages
fresh_dir "$WORK"
fake_machine
export BUILD=$WORK/build UDRV_CACHE=$WORK/cache

has_packages() {
    local package
    for package; do
        grep -qx "$package" "$MIRROR/installed" || return 1
    done
}

: > "$MIRROR/installed"
FAKE_UID=1000 run "$TOP/scripts/packages.sh" image vm
expect "who is not root is told the command, with each package once" \
    refuses "as root, run:" "apt-get install --no-install-recommends python3 zstd binutils"
expect "and nothing is installed" calls_nothing

echo zstd > "$MIRROR/installed"
: > "$MIRROR/lists"
run "$TOP/scripts/packages.sh" image vm
expect "root installs what is missing" has_packages python3 binutils
expect "and nothing else" [ "$(sort "$MIRROR/installed")" = "$(printf '%s\n' binutils iproute2 iputils-ping python3 util-linux zstd)" ]
expect "without reading lists that are there" [ "$(wc -l < "$CALLS")" -eq 1 ]

FAKE_UID=1000 run "$TOP/scripts/packages.sh" image vm
expect "who is not root is not asked for anything when all is there" [ "$STATUS" -eq 0 ]
expect "and neither is apt" calls_nothing

: > "$MIRROR/installed"
rm "$MIRROR/lists"
run "$TOP/scripts/packages.sh" image
expect "a machine without lists (a container) reads them first" has_packages python3 zstd binutils

: > "$MIRROR/installed"
: > "$MIRROR/broken"
run "$TOP/scripts/packages.sh" image
expect "what apt cannot install is an error that shows apt's own" \
    refuses "Unmet dependencies" "apt-get could not install python3 zstd binutils" "$WORK/build/packages.log"

run "$TOP/scripts/packages.sh" nonsense
expect "an unknown group is an error" refuses "unknown package group 'nonsense'"
echo "1..$count"
