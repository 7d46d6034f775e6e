#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd.sh: build/systemd, a root with Debian sid's systemd and nothing else, for a guest whose PID 1 it is. Its
# fd store is the agent's second keeper. Packages are unpacked, none is installed.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

SUITE=sid
# The first one to hand descriptors on to the next kernel.
MINIMUM=261
# libmount1 and libseccomp2 are loaded when a unit needs them; the others are what these depend on.
PACKAGES="systemd libsystemd-shared libsystemd0 libc6 libmount1 libblkid1 libselinux1 libpcre2-8-0 libseccomp2"
ROOTS=$CACHE/systemd

# What PID 1 needs to boot a service, and to go on to another kernel.
keep() {
    local lib=usr/lib/x86_64-linux-gnu
    cat << EOK
usr/bin/systemctl
usr/lib/systemd/systemd
usr/lib/systemd/systemd-executor
usr/lib/systemd/systemd-shutdown
usr/lib/systemd/system/systemd-kexec.service
usr/lib64/ld-linux-x86-64.so.2
EOK
    (cd "$1" && find usr/lib/systemd/system -maxdepth 1 \( -name '*.target' -o -name '*.slice' \) &&
        find $lib/systemd -name '*.so' &&
        for name in ld-linux-x86-64 libc libm libmount libblkid libselinux libpcre2-8 libseccomp libsystemd; do
            find $lib -maxdepth 1 -name "$name.so.*"
        done)
}

# Everything that a program or library of the root asks for has to be there.
check_libraries() {
    local file needed
    find "$1/usr" -type f \( -name '*.so*' -o -perm -u+x \) | while read -r file; do
        readelf -d "$file" 2> /dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r needed; do
            [ -n "$(find "$1/usr" -name "$needed" -print -quit)" ] || echo "$(basename "$file") needs $needed"
        done
    done
}

# "package=version" of each package, as the suite has it; one apt for all of them, as each start of it takes seconds
versions() {
    # shellcheck disable=SC2086 # a list
    apt_private apt-cache -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist="$APT/suites/$SUITE.list" \
        madison $PACKAGES 2> /dev/null |
        awk '/Packages$/ && !($1 in seen) { seen[$1]; print $1 "=" $3 }'
}

fetch() {
    local package wanted deb missing tmp=$ROOTS/partial
    local -a packages
    apt_probe
    mapfile -t packages < <(versions)
    for package in $PACKAGES; do
        case " ${packages[*]-} " in
        *" $package="*) ;;
        *)
            apt_forget
            die "no $package in the suite $SUITE of any of these:
$(cat "$APT_TRIED")"
            ;;
        esac
    done
    wanted=$(printf '%s\n' "${packages[@]}" | sed -n 's/^systemd=//p')
    version_ge "$wanted" "$MINIMUM" || die "systemd of the suite $SUITE is $wanted; $MINIMUM is needed"
    say "downloading systemd $wanted and its libraries from $SUITE (10 MB)"
    fresh_dir "$tmp"
    mkdir "$tmp/all" "$tmp/root"
    (cd "$tmp" && apt_private apt-get -qq download "${packages[@]}" >&2) || die "apt could not download ${packages[*]}"
    for deb in "$tmp"/*.deb; do
        dpkg-deb --extract "$deb" "$tmp/all"
    done
    (cd "$tmp/all" && keep . | sort -u | cpio -pdm --quiet "$tmp/root")
    missing=$(check_libraries "$tmp/root")
    [ -z "$missing" ] || die "the root with systemd $wanted is not complete: $missing"
    echo "$wanted" > "$tmp/root/version"
    rm -rf "${ROOTS:?}/$wanted"
    mv -T "$tmp/root" "$ROOTS/$wanted"
    rm -rf "$tmp"
    ln -sfn "$wanted" "$ROOTS/current"
}

"$TOP/scripts/packages.sh" kernel image
if [ ! -e "$ROOTS/current/version" ] || [ -n "${UPDATE:-}" ]; then
    mkdir -p "$ROOTS"
    lock systemd
    if [ ! -e "$ROOTS/current/version" ] || [ -n "${UPDATE:-}" ]; then fetch; fi
fi
ln -sfn "$(readlink -f "$ROOTS/current")" "$BUILD/systemd"
record systemd "$(cat "$BUILD/systemd/version")"
