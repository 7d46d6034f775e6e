#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# debian-kernel.sh: build/debian-kernel/{vmlinuz,modules,release}, Debian 12's cloud kernel as it is shipped. Its
# mana driver judges the device model; nothing of it is installed.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

SUITE=bookworm
META=linux-image-cloud-amd64
KERNELS=$CACHE/debian-kernel

# The package that the meta package of this version stands for.
image_package() {
    apt_private apt-cache -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist="$APT/suites/$SUITE.list" \
        show --no-all-versions "$META=$1" | sed -n "s/^Depends: \(linux-image-[^ ]*\) (= .*/\1/p"
}

fetch() {
    local version package release deb tmp=$KERNELS/partial
    apt_probe
    version=$(apt_versions "$META" | awk -v suite="$SUITE" '$3 == suite { print $2 }' | sort -V | tail -n 1)
    if [ -z "$version" ]; then
        apt_forget
        die "no $META in the suite $SUITE of any of these:
$(cat "$APT_TRIED")"
    fi
    package=$(image_package "$version")
    [ -n "$package" ] || die "$META $version depends on no linux-image package"
    release=${package#linux-image-}
    if [ ! -e "$KERNELS/$release-$version/release" ]; then
        say "downloading $package $version from $SUITE"
        fresh_dir "$tmp"
        deb=$(apt_fetch "$tmp" "$package=$version") || deb=
        [ -n "$deb" ] || die "apt could not download $package=$version"
        dpkg-deb --extract "$deb" "$tmp/root"
        mkdir "$tmp/kernel"
        mv "$tmp/root/boot/vmlinuz-$release" "$tmp/kernel/vmlinuz"
        mv "$(find "$tmp/root" -type d -path "*lib/modules/$release" -print -quit)" "$tmp/kernel/modules"
        [ -n "$(find "$tmp/kernel/modules" -name 'mana.ko*' -print -quit)" ] || die "$package $version has no mana driver"
        echo "$release" > "$tmp/kernel/release"
        rm -rf "$KERNELS/$release-$version"
        mv -T "$tmp/kernel" "$KERNELS/$release-$version"
        rm -rf "$tmp"
    fi
    ln -sfn "$release-$version" "$KERNELS/current"
}

"$TOP/scripts/packages.sh" model
if [ ! -e "$KERNELS/current/release" ] || [ -n "${UPDATE:-}" ]; then
    mkdir -p "$KERNELS"
    lock debian-kernel/fetch
    if [ ! -e "$KERNELS/current/release" ] || [ -n "${UPDATE:-}" ]; then fetch; fi
fi
ln -sfn "$(readlink -f "$KERNELS/current")" "$BUILD/debian-kernel"
record debian-kernel "$(basename "$(readlink "$BUILD/debian-kernel")")"
