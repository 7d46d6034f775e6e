#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# image.sh PROGRAM...: build/image/initramfs, the paravisor's initramfs with these programs and a busybox, and its digest.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

# Static and from a package, but not installed: busybox-static would displace the machine's busybox.
fetch_busybox() {
    local suite version tmp=$CACHE/busybox.partial deb
    [ ! -x "$CACHE/busybox/busybox" ] || [ -n "${UPDATE:-}" ] || return 0
    lock busybox
    [ ! -x "$CACHE/busybox/busybox" ] || [ -n "${UPDATE:-}" ] || return 0
    apt_probe
    for suite in trixie bookworm forky sid; do
        version=$(apt_versions busybox-static | awk -v suite="$suite" '$3 == suite { print $2; exit }')
        [ -z "$version" ] || break
    done
    [ -n "$version" ] || apt_forget
    [ -n "$version" ] || die "no busybox-static in any of these:
$(cat "$APT_TRIED")"
    say "downloading busybox-static $version from $suite"
    fresh_dir "$tmp"
    deb=$(apt_fetch "$tmp" "busybox-static=$version") || deb=
    [ -n "$deb" ] || die "apt could not download busybox-static=$version"
    dpkg-deb --extract "$deb" "$tmp/root"
    cp "$(find "$tmp/root" -type f -name busybox -perm -u+x -print -quit)" "$tmp/busybox"
    echo "$version ($suite)" > "$tmp/version"
    rm -rf "$tmp/root" "$deb" "$CACHE/busybox"
    mv -T "$tmp" "$CACHE/busybox"
}

"$TOP/scripts/packages.sh" image
fetch_busybox
mkdir -p "$BUILD/image"
"$TOP/scripts/mkimage.py" --output "$BUILD/image/initramfs" --compress "${IMAGE_COMPRESS:-none}" \
    --busybox "$CACHE/busybox/busybox" "$@"
digest "$BUILD/image/initramfs"
record busybox "$(cat "$CACHE/busybox/version")"
record image "$(cut -c1-16 "$BUILD/image/initramfs.sha256"), $(stat -c %s "$BUILD/image/initramfs") bytes"
