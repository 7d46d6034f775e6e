#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# packages.sh GROUP...: see to it that the Debian packages of these groups are installed.
# As root they are installed; otherwise the command to run is printed and the status is 1.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

packages_of() {
    case $1 in
    build) echo gcc g++ libc6-dev make pkg-config liburing-dev libfdt-dev libjson-c-dev libpci-dev ;;
    unit) echo check pkg-config gcc libc6-dev ;;
    kernel) echo gcc libc6-dev make flex bison bc libelf-dev libssl-dev perl python3 cpio lz4 zstd xz-utils kmod patch git ;;
    image) echo python3 zstd binutils ;;
    vm) echo python3 iproute2 iputils-ping util-linux ;;
    model) echo python3 iperf3 ethtool iproute2 util-linux kmod ;;
    bench) echo python3 valgrind ;;
    apt) echo apt dpkg ca-certificates debian-archive-keyring ;;
    *) die "unknown package group '$1'" ;;
    esac
}

[ $# -gt 0 ] || die "usage: packages.sh build|unit|kernel|image|vm|model|bench|apt ..."
have dpkg-query || die "set-up knows Debian only (12 or newer): dpkg-query is not there"

# Sets missing.
find_missing() {
    local group package packages status
    missing=()
    for group in "$@"; do
        packages=$(packages_of "$group") || exit 1
        for package in $packages; do
            case " ${missing[*]-} " in *" $package "*) continue ;; esac
            status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
            [ "$status" = installed ] || missing+=("$package")
        done
    done
}

find_missing "$@"
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    say "these Debian packages are missing; as root, run:"
    printf '\n    apt-get install --no-install-recommends %s\n\n' "${missing[*]}" >&2
    exit 1
fi

# Another step of the same make may be at it.
lock packages
find_missing "$@"
[ ${#missing[@]} -gt 0 ] || exit 0

say "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install=(apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "${missing[@]}")
# The lists may be absent (a container) or too old to fetch from: read them once and try again.
if ! "${install[@]}" > "$BUILD/packages.log" 2>&1; then
    if ! { apt-get update && "${install[@]}"; } >> "$BUILD/packages.log" 2>&1; then
        tail -n 20 "$BUILD/packages.log" >&2
        die "apt-get could not install ${missing[*]}; the whole log is $BUILD/packages.log"
    fi
fi
