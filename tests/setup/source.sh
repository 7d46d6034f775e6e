#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Where the kernel source comes from: the newest of the wanted version, an older one that the series applies to, a
# tarball, or a message that says what was looked for. Against a mirror made of files. Prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=tests/setup/fake_apt.sh
. "$TOP/tests/setup/fake_apt.sh"

WORK=$BUILD/check/source
fresh_dir "$WORK"
fake_machine
printf '%s\n' apt dpkg ca-certificates debian-archive-keyring > "$MIRROR/installed"

export BUILD=$WORK/build UDRV_CACHE=$WORK/cache PATCHES=$WORK/patches
unset KERNEL_TARBALL UPDATE

# tree DIR LINE: something that passes for a kernel source; the series changes LINE "new"
tree() {
    mkdir -p "$1/kernel"
    : > "$1/Kbuild"
    printf 'first\n%s\nlast\n' "$2" > "$1/kernel/file.c"
}

mkdir -p "$PATCHES"
tree "$WORK/a" new
tree "$WORK/b" patched
{
    echo "diff --git a/kernel/file.c b/kernel/file.c"
    diff -u --label a/kernel/file.c --label b/kernel/file.c "$WORK/a/kernel/file.c" "$WORK/b/kernel/file.c" || true
} > "$PATCHES/0001-change-it.patch"

# deb SUITE VERSION LINE: linux-source-X.Y of the version
deb() {
    local version=$2 name root=$WORK/root
    name=linux-source-$(cut -d. -f1,2 <<< "$version")
    fresh_dir "$root"
    mkdir -p "$root/DEBIAN" "$root/usr/src" "$MIRROR/$1"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: nobody\nDescription: test\n' "$name" "$version" \
        > "$root/DEBIAN/control"
    tree "$WORK/tree/$name" "$3"
    tar -cJf "$root/usr/src/$name.tar.xz" -C "$WORK/tree" "$name"
    rm -r "$WORK/tree"
    dpkg-deb -b "$root" "$MIRROR/$1/${name}_$version.deb" > "$WORK/out"
}

# again: an empty cache and an empty mirror
again() {
    local installed
    installed=$(cat "$MIRROR/installed")
    fresh_dir "$MIRROR"
    fresh_dir "$UDRV_CACHE"
    echo "$installed" > "$MIRROR/installed"
}

source_of() {
    run "$TOP/scripts/kernel.sh" source
    SOURCE=$(tail -n 1 "$WORK/out")
}

is_source() {
    [ "$STATUS" -eq 0 ] && [ -f "$SOURCE/Kbuild" ] && grep -qF -e "$1" "$(dirname "$SOURCE")/id"
}

deb trixie 6.12.48-1 new
deb trixie-backports 7.3.4-1~bpo13+1 new
deb sid 7.3.10-1 new
deb sid 7.4.1-1 new
source_of
expect "the newest of the wanted version is taken, of whichever suite" is_source "linux-source-7.3 7.3.10-1 (sid)"
source_of
expect "it is in the cache then" is_source "linux-source-7.3 7.3.10-1 (sid)"
expect "and nothing is asked any more" calls_nothing
deb sid 7.3.11-1 new
UPDATE=1 source_of
expect "until UPDATE=1 looks again" is_source "linux-source-7.3 7.3.11-1 (sid)"

again
deb trixie 6.12.48-1 new
deb trixie-backports 7.2.9-1 new
deb sid 7.4.1-1 other
source_of
expect "where the wanted version has gone, the newest that the series applies to is taken" \
    is_source "linux-source-7.2 7.2.9-1 (trixie-backports)"
expect "which is said" says "linux-source-7.3 is not there any more; the series applies to linux-source-7.2"

again
deb sid 7.4.1-1 other
tree "$WORK/tree/linux-7.3.4" new
tar -czf "$MIRROR/sid/linux_7.3.4.orig.tar.gz" -C "$WORK/tree" linux-7.3.4
source_of
expect "a source package of the wanted version comes before another version" is_source "linux 7.3.4 (source package)"

again
deb trixie 6.12.48-1 other
deb sid 7.4.1-1 other
source_of
expect "where nothing fits, it says what was looked for and what to do" \
    refuses "linux-source-7.4 7.4.1-1 (sid)" "linux-source-6.12 6.12.48-1 (trixie)" \
    "mirror.test/debian bookworm: cannot be used" "KERNEL_TARBALL="
deb sid 7.3.4-1 new
source_of
expect "and the next time it looks again" is_source "linux-source-7.3 7.3.4-1 (sid)"

again
: > "$MIRROR/none"
source_of
expect "a machine without a Debian mirror is told so" refuses "no Debian mirror"

# From here on no mirror is needed.
again
tree "$WORK/tree/linux-7.3.4" new
tar -cJf "$WORK/linux.tar.xz" -C "$WORK/tree" linux-7.3.4
KERNEL_TARBALL=$WORK/linux.tar.xz source_of
expect "KERNEL_TARBALL is taken" is_source "linux.tar.xz sha256"
expect "without asking any mirror" calls_nothing
KERNEL_TARBALL=$WORK/none.tar.xz source_of
expect "one that is not there is refused" refuses "KERNEL_TARBALL=$WORK/none.tar.xz: cannot be read"
head -c 100 "$WORK/linux.tar.xz" > "$WORK/cut.tar.xz"
KERNEL_TARBALL=$WORK/cut.tar.xz source_of
expect "one that is cut off is refused" refuses "cannot unpack $WORK/cut.tar.xz"
tar -cJf "$WORK/other.tar.xz" -C "$WORK" a/kernel
KERNEL_TARBALL=$WORK/other.tar.xz source_of
expect "one without a kernel is refused" refuses "$WORK/other.tar.xz holds no kernel source"
echo "1..$count"
