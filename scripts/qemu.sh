#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu.sh: build/qemu/qemu-system-x86_64 and qemu-img, new enough for what the tests use (vfio-user-pci).
# The machine's own if it will do; otherwise a private copy of Debian's packages, unpacked into the cache with
# everything that they depend on, the C library included, and run through that library's own loader. Nothing
# is installed and nothing of the machine's is changed.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

MINIMUM=10.1
DEVICES="nvme vfio-user-pci virtio-9p-pci pcie-root-port"
QEMUS=$CACHE/qemu

# usable DIR: 0 if DIR's qemu-system-x86_64 and qemu-img will do; sets FOUND, or WHY_NOT
usable() {
    local devices device
    WHY_NOT=
    if [ ! -x "$1/qemu-system-x86_64" ] || [ ! -x "$1/qemu-img" ]; then
        WHY_NOT="qemu-system-x86_64 or qemu-img is not there"
        return 1
    fi
    FOUND=$("$1/qemu-system-x86_64" --version 2>&1 | sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p') || true
    if [ -z "$FOUND" ]; then
        WHY_NOT="qemu-system-x86_64 --version fails"
    elif ! version_ge "$FOUND" "$MINIMUM"; then
        WHY_NOT="version $FOUND is older than $MINIMUM"
    elif ! "$1/qemu-img" --version > /dev/null 2>&1; then
        WHY_NOT="qemu-img --version fails"
    else
        devices=$("$1/qemu-system-x86_64" -M q35 -device help 2>&1) || true
        for device in $DEVICES; do
            case $devices in
            *"name \"$device\""*) ;;
            *) WHY_NOT="$WHY_NOT${WHY_NOT:+, }version $FOUND has no device $device" ;;
            esac
        done
    fi
    [ -z "$WHY_NOT" ]
}

# wrapper ROOT PROGRAM FILE OPTIONS: a script FILE that runs ROOT/usr/bin/PROGRAM with ROOT's libraries
wrapper() {
    cat > "$3" << EOW
#!/bin/sh
# Written by scripts/qemu.sh: a private copy that needs nothing of the machine's libraries.
root='$1'
lib=\$root/usr/lib/x86_64-linux-gnu
QEMU_MODULE_DIR=\$lib/qemu
export QEMU_MODULE_DIR
exec "\$lib/ld-linux-x86-64.so.2" --library-path "\$lib" --argv0 "\$0" "\$root/usr/bin/$2" $4 "\$@"
EOW
    chmod 755 "$3"
}

# Sets of suites that go together, the nearest to the machine's own release first
suite_sets() {
    printf '%s\n' "trixie-backports trixie" forky sid
}

# unpack SUITE...: from the first suite, with dependencies from all of them
private_copy() {
    local suite version list=$QEMUS/suites tmp=$QEMUS/partial deb root
    for suite in "$@"; do [ -e "$APT/suites/$suite.list" ] || return 1; done
    version=$(apt_versions qemu-system-x86 | awk -v suite="$1" '$3 == suite { print $2 }' | sort -V | tail -n 1)
    TRIED="$TRIED
    $1: ${version:-no qemu-system-x86}"
    [ -n "$version" ] || return 1
    version_ge "${version#*:}" "$MINIMUM" || return 1

    fresh_dir "$list"
    fresh_dir "$tmp"
    for suite in "$@"; do ln -s "$APT/suites/$suite.list" "$list/"; done
    mkdir -p "$tmp/debs/partial" "$tmp/root" "$tmp/bin"
    say "downloading QEMU $version and its libraries from $* (about 200 MB)"
    if ! apt_private apt-get -o Dir::Etc::sourceparts="$list" -o Dir::Cache::archives="$tmp/debs" -t "$1" \
        -y --download-only install "qemu-system-x86=$version" "qemu-utils=$version" > "$QEMUS/download.log" 2>&1; then
        TRIED="$TRIED, which apt could not download (see $QEMUS/download.log)"
        return 1
    fi
    for deb in "$tmp"/debs/*.deb; do
        dpkg-deb --extract "$deb" "$tmp/root"
    done
    # Packages that still ship /lib beside /usr/lib
    for root in lib lib64; do
        if [ -d "$tmp/root/$root" ] && [ ! -L "$tmp/root/$root" ]; then cp -a "$tmp/root/$root/." "$tmp/root/usr/$root/"; fi
    done
    rm -rf "$tmp/debs" "$tmp/root/usr/share/doc" "$tmp/root/usr/share/man" "$tmp/root/usr/share/locale" "$tmp/root/usr/share/icons"

    version=${version#*:}
    version=${version//[^A-Za-z0-9.+-]/_}
    rm -rf "${QEMUS:?}/$version"
    wrapper "$QEMUS/$version/root" qemu-system-x86_64 "$tmp/bin/qemu-system-x86_64" \
        "-L \"\$root/usr/share/qemu\" -L \"\$root/usr/share/seabios\" -L \"\$root/usr/lib/ipxe/qemu\""
    wrapper "$QEMUS/$version/root" qemu-img "$tmp/bin/qemu-img" ""
    mv -T "$tmp" "$QEMUS/$version"
    if ! usable "$QEMUS/$version/bin"; then
        TRIED="$TRIED, unpacked, but $WHY_NOT"
        return 1
    fi
    ln -sfn "$version/bin" "$QEMUS/bin"
}

# The directory of the machine's own QEMU. make puts build/qemu in front of PATH: what is there is a link of an
# earlier run, and taking it for the machine's would make it point to itself.
from_path() {
    local dir dirs
    IFS=: read -ra dirs <<< "$PATH"
    for dir in "${dirs[@]}"; do
        if [ -x "$dir/qemu-system-x86_64" ] && ! [ "$dir" -ef "$BUILD/qemu" ]; then
            printf '%s\n' "$dir"
            return
        fi
    done
    echo /nonexistent
}

from_path=$(from_path)
if usable "$from_path"; then
    bin=$from_path
    origin="from PATH"
else
    TRIED="
    PATH: $WHY_NOT"
    bin=$QEMUS/bin
    if [ -n "${UPDATE:-}" ] || ! usable "$bin"; then
        mkdir -p "$QEMUS"
        lock qemu/fetch
        if [ -n "${UPDATE:-}" ] || ! usable "$bin"; then
            apt_probe
            while read -ra set; do
                if private_copy "${set[@]}"; then break; fi
            done < <(suite_sets)
            usable "$bin" || apt_forget
            usable "$bin" || die "no QEMU $MINIMUM or newer with the devices $DEVICES; looked for it in:$TRIED
Install one and put it in front of PATH, or give the machine's apt a mirror that has trixie-backports."
        fi
    fi
    origin="private copy, $(readlink -f "$bin")"
fi

mkdir -p "$BUILD/qemu"
ln -sfn "$bin/qemu-system-x86_64" "$BUILD/qemu/qemu-system-x86_64"
ln -sfn "$bin/qemu-img" "$BUILD/qemu/qemu-img"
record qemu "$FOUND ($origin)"
