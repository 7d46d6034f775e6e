#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kernel.sh headers		build/uapi: userspace headers of the patched kernel
# kernel.sh build [FLAVOUR]	build/kernel (or build/kernel-FLAVOUR): bzImage and its digest, config, release, modules
# kernel.sh each		compile what the series touches, patch by patch; one TAP line for each
# kernel.sh selftest FILE	compile the selftest of the series, static, as a program for a guest
# kernel.sh tree [DIR]		DIR (build/kernel-tree): an editable git tree with the series as commits
# kernel.sh patches [DIR [OUT]]	write DIR's commits back as a series to OUT (kernel/patches)
# kernel.sh source		print where the pristine source is
#
# The cache, $CACHE/kernel:
#   NAME/src		pristine source, never written after unpacking
#   NAME/patched	the same files (hard links) with a series applied: what is compiled. Going over to
#			another series rewrites only what differs, so that kbuild rebuilds only that.
#   NAME/obj-FLAVOUR	kbuild's output for it
#   NAME/uapi-HASH	generated headers
#   out/KEY		finished kernels; KEY is the hash of source, series and config
# What counts as done gets its final name by a rename at the very end.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh"

KERNELS=$CACHE/kernel
PATCHES=${PATCHES:-$TOP/kernel/patches}
CONFIGS=$TOP/kernel/config
WANTED=7.3
# Raised when the way in which kernels are built changes what comes out.
RECIPE=1

# No user's or machine's git configuration changes what we write.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

# make's own variables (a jobserver of the outer make, BUILD=, CFLAGS= …) are not for kbuild.
kbuild() {
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u BUILD -u CC -u CFLAGS -u CPPFLAGS -u LDFLAGS \
        -u KCONFIG -u LOCALVERSION -u VERSION -u PREFIX \
        make -C "$SRC/patched" O="$OBJ" CC="$KCC" HOSTCC="$KCC" -j"$(nproc)" "$@"
}

# ---- source ------------------------------------------------------------------------------------

# unpack NAME TARBALL ID: the tarball's contents as NAME's pristine source; ID is how people call it
unpack() {
    local name=$1 tarball=$2 id=$3 dir=$KERNELS/$1.partial
    say "unpacking $id"
    fresh_dir "$dir"
    mkdir "$dir/src"
    tar -xf "$tarball" -C "$dir/src" --strip-components=1 --no-same-owner ||
        die "cannot unpack $tarball: is it a complete kernel tarball?"
    [ -f "$dir/src/Kbuild" ] || die "$tarball holds no kernel source: no Kbuild in its top directory"
    printf '%s\n' "$id" > "$dir/id"
    mv -T "$dir" "$KERNELS/$name"
}

# fetch_binary PACKAGE VERSION SUITE: from Debian's linux-source-X.Y; sets NAME
fetch_binary() {
    local deb tmp=$KERNELS/fetch member
    NAME=$1_${2//[^A-Za-z0-9.+-]/_}
    [ -d "$KERNELS/$NAME" ] && return
    say "downloading $1 $2 from $3 (170 MB)"
    fresh_dir "$tmp"
    deb=$(apt_fetch "$tmp" "$1=$2") || deb=
    [ -n "$deb" ] || die "apt could not download $1=$2"
    member=$(dpkg-deb --fsys-tarfile "$deb" | tar -t | grep "/usr/src/$1\.tar\.[a-z0-9]*$" | tail -n 1) ||
        die "no kernel tarball in $deb"
    dpkg-deb --fsys-tarfile "$deb" | tar -xO "$member" > "$tmp/source.${member##*.}"
    unpack "$NAME" "$tmp/source.${member##*.}" "$1 $2 ($3)"
    rm -rf "$tmp"
}

# fetch_source_package: `linux` of the wanted version, where only the source package is there; sets NAME
fetch_source_package() {
    local suite version line tmp=$KERNELS/fetch lists=$APT/source-suites tarball
    fresh_dir "$lists"
    for suite in "$APT"/suites/*.list; do
        sed 's/^deb /deb-src /' "$suite" > "$lists/$(basename "$suite")"
    done
    apt_private apt-get update -o Dir::Etc::sourceparts="$lists" > "$APT/probe-sources.log" 2>&1 || true
    line=$(apt_private apt-cache -o Dir::Etc::sourceparts="$lists" madison linux |
        awk '/Sources$/ { print $3 }' | grep "^${WANTED//./\\.}[.~+-]" | sort -V | tail -n 1) || return 1
    version=$line
    NAME=linux_${version//[^A-Za-z0-9.+-]/_}
    [ -d "$KERNELS/$NAME" ] && return
    say "downloading the source package linux $version"
    fresh_dir "$tmp"
    (cd "$tmp" && apt_private apt-get -o Dir::Etc::sourceparts="$lists" -qq source --download-only \
        --only-source "linux=$version" >&2) || return 1
    tarball=$(find "$tmp" -name 'linux_*.orig.tar.*' ! -name '*.asc' -print -quit)
    [ -n "$tarball" ] || return 1
    unpack "$NAME" "$tarball" "linux $version (source package)"
    rm -rf "$tmp"
}

use_source() {
    NAME=$1
    SRC=$KERNELS/$NAME
    SRC_ID=$(cat "$SRC/id")
}

# newest PACKAGE: "VERSION SUITE" of its newest version in any probed suite
newest() {
    local package version suite best='' from=''
    while read -r package version suite; do
        if [ -z "$best" ] || { [ "$version" != "$best" ] && version_ge "$version" "$best"; }; then
            best=$version from=$suite
        fi
    done < <(apt_versions "$1")
    [ -n "$best" ] && echo "$best $from"
}

# Find the source to build from, once: afterwards the cache has it (UPDATE=1 looks again).
select_source() {
    local sum found
    if [ -n "${KERNEL_TARBALL:-}" ]; then
        [ -r "$KERNEL_TARBALL" ] || die "KERNEL_TARBALL=$KERNEL_TARBALL: cannot be read"
        sum=$(sha256sum < "$KERNEL_TARBALL" | cut -c1-16)
        NAME=tarball_$sum
        mkdir -p "$KERNELS"
        if [ ! -d "$KERNELS/$NAME" ]; then
            lock kernel/fetch
            [ -d "$KERNELS/$NAME" ] || unpack "$NAME" "$KERNEL_TARBALL" "$(basename "$KERNEL_TARBALL") sha256 $sum"
            unlock kernel/fetch
        fi
        use_source "$NAME"
        return
    fi
    if [ -z "${UPDATE:-}" ] && [ -s "$KERNELS/selected" ] && [ -d "$KERNELS/$(cat "$KERNELS/selected")" ]; then
        use_source "$(cat "$KERNELS/selected")"
        return
    fi
    mkdir -p "$KERNELS"
    lock kernel/fetch
    if [ -z "${UPDATE:-}" ] && [ -s "$KERNELS/selected" ]; then
        unlock kernel/fetch
        use_source "$(cat "$KERNELS/selected")"
        return
    fi
    apt_probe
    if found=$(newest "linux-source-$WANTED"); then
        # shellcheck disable=SC2086 # version and suite
        fetch_binary "linux-source-$WANTED" $found
    elif fetch_source_package; then
        :
    else
        select_other
    fi
    use_source "$NAME"
    echo "$NAME" > "$KERNELS/selected.new"
    mv "$KERNELS/selected.new" "$KERNELS/selected"
    unlock kernel/fetch
}

# The wanted version has gone from the mirror: the newest one that the series applies to; sets NAME
select_other() {
    local package found tried=
    for package in $(apt_private apt-cache pkgnames linux-source- | grep -E '^linux-source-[0-9]+\.[0-9]+$' | sort -rV); do
        found=$(newest "$package") || continue
        tried="$tried, $package ${found% *} (${found#* })"
        # shellcheck disable=SC2086 # version and suite
        fetch_binary "$package" $found
        use_source "$NAME"
        if stage_series "$KERNELS/stage-try" 2> "$KERNELS/try.log"; then
            say "linux-source-$WANTED is not there any more; the series applies to $SRC_ID"
            return
        fi
        rm -rf "${KERNELS:?}/$NAME"
    done
    apt_forget
    die "no kernel source to build from. Looked for linux-source-$WANTED and for the source package linux $WANTED*,
then for any linux-source-* that the series in kernel/patches applies to${tried:+ (not: ${tried#, })}, in these suites:
$(cat "$APT_TRIED")
Download linux-$WANTED.y's tarball and run again with KERNEL_TARBALL=/path/to/linux-$WANTED.N.tar.xz"
}

# ---- series ------------------------------------------------------------------------------------

series() {
    find "$PATCHES" -maxdepth 1 -name '[0-9]*.patch' 2> /dev/null | sort
}

# The files that patches touch, old names and new ones
touched_by() {
    [ $# -eq 0 ] || sed -n -e 's|^diff --git a/\(.*\) b/\(.*\)$|\1\n\2|p' "$@" | sort -u
}

# stage_series DIR [PATCH...]: DIR gets, of all files that the patches touch, the patched version, and
# DIR.touched their names. Patches must apply without fuzz.
stage_series() {
    local dir=$1 patch file
    shift
    [ $# -gt 0 ] || mapfile -t < <(series)
    [ $# -gt 0 ] || set -- ${MAPFILE+"${MAPFILE[@]}"}
    fresh_dir "$dir"
    touched_by "$@" > "$dir.touched"
    while read -r file; do
        if [ -f "$SRC/src/$file" ]; then
            mkdir -p "$dir/$(dirname "$file")"
            cp -p "$SRC/src/$file" "$dir/$file"
        fi
    done < "$dir.touched"
    for patch in "$@"; do
        if ! patch -d "$dir" -p1 -s -f -F0 --no-backup-if-mismatch -r - < "$patch" > "$dir.log" 2>&1; then
            say "$(basename "$patch") does not apply to $SRC_ID:"
            cat "$dir.log" >&2
            return 1
        fi
    done
}

# switch_tree STAGE: make SRC/patched be the pristine source with STAGE laid over it. Caller has the lock.
switch_tree() {
    local stage=$1 file want
    if [ ! -d "$SRC/patched" ]; then
        rm -rf "$SRC/patched.partial"
        cp -al "$SRC/src" "$SRC/patched.partial"
        mv -T "$SRC/patched.partial" "$SRC/patched"
    fi
    # Until it is finished, the list names all that may differ from the pristine source.
    touch "$SRC/touched"
    sort -u "$SRC/touched" "$stage.touched" > "$SRC/touched.new"
    mv "$SRC/touched.new" "$SRC/touched"
    while read -r file; do
        if grep -qxF -e "$file" "$stage.touched"; then
            want=$stage/$file
        else
            want=$SRC/src/$file
        fi
        if [ ! -f "$want" ]; then
            rm -f "$SRC/patched/$file"
        elif ! cmp -s "$want" "$SRC/patched/$file"; then
            # A new inode (the old one may be the pristine file's) and a new time stamp, for kbuild.
            mkdir -p "$SRC/patched/$(dirname "$file")"
            rm -f "$SRC/patched/$file"
            cp --preserve=mode "$want" "$SRC/patched/$file"
        fi
    done < "$SRC/touched"
    cp "$stage.touched" "$SRC/touched"
}

# ---- headers -----------------------------------------------------------------------------------

cmd_headers() {
    local stage id dest work
    "$TOP/scripts/packages.sh" build kernel
    select_source
    stage=$(mktemp -d "$SRC/stage.XXXXXX")
    # shellcheck disable=SC2064 # its value now
    trap "rm -rf '$stage' '$stage'.* '$stage-work'" EXIT
    stage_series "$stage" || die "the series does not apply"
    id=$(cd "$stage" && find . -type f \( -path './include/uapi/*' -o -path './arch/x86/include/uapi/*' -o \
        -path './arch/x86/entry/syscalls/*' \) | sort | xargs -r sha256sum | sha256sum | cut -c1-12)
    dest=$SRC/uapi-$id
    if [ ! -d "$dest" ]; then
        say "generating kernel headers from $SRC_ID"
        work=$stage-work
        mkdir "$work"
        cp -al "$SRC/src" "$work/src"
        cp -r --remove-destination "$stage/." "$work/src/"
        if ! env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CC -u CFLAGS make -C "$work/src" O="$work/obj" \
            -j"$(nproc)" headers > "$BUILD/headers.log" 2>&1; then
            tail -n 20 "$BUILD/headers.log" >&2
            die "make headers failed; the whole log is $BUILD/headers.log"
        fi
        (cd "$work/obj/usr" && find include -name '*.h' | cpio -pdm --quiet "$work/dest")
        mv -T "$work/dest" "$dest" 2> /dev/null || [ -d "$dest" ] || die "cannot create $dest"
    fi
    if [ "$(readlink "$BUILD/uapi" 2> /dev/null)" != "$dest" ]; then
        ln -sfn "$dest" "$BUILD/uapi"
        echo "$dest" > "$BUILD/uapi.id"
    fi
    [ -f "$BUILD/uapi.id" ] || echo "$dest" > "$BUILD/uapi.id"
}

# ---- selftest ----------------------------------------------------------------------------------

# As its Makefile does, but outside the source tree; build/uapi must be there.
cmd_selftest() {
    local out=$1 dir=tools/testing/selftests stage
    select_source
    stage=$(mktemp -d "$SRC/stage.XXXXXX")
    # shellcheck disable=SC2064 # its value now
    trap "rm -rf '$stage' '$stage'.*" EXIT
    stage_series "$stage" || die "the series does not apply"
    mkdir -p "$stage.tests" "$(dirname "$out")"
    cp -r "$SRC/src/$dir/liveupdate" "$SRC/src/$dir/"*.h "$stage.tests/"
    cp -r "$stage/$dir/." "$stage.tests/"
    (cd "$stage.tests/liveupdate" && gcc -std=gnu11 -O2 -Wall -Werror -Wno-unused-function -D_GNU_SOURCE= -static \
        -isystem "$BUILD/uapi/include" -Ilib/include luo_vfio_pci.c lib/*.c -o "$stage.out") ||
        die "the selftest does not compile"
    mv "$stage.out" "$out"
}

# ---- build -------------------------------------------------------------------------------------

# Config fragments of a flavour, in the order in which they are laid over one another
fragments() {
    echo "$CONFIGS/paravisor.config"
    [ -z "$1" ] || echo "$CONFIGS/$1.config"
}

# configure FLAVOUR [lax]: OBJ/.config. Every option that a fragment asks for must have come true.
configure() {
    local line option lost='' requested=$OBJ.requested
    local -a fragments
    mapfile -t fragments < <(fragments "$1")
    mkdir -p "$OBJ"
    kbuild tinyconfig > "$OBJ.log" 2>&1 || die_log "make tinyconfig failed"
    # Later fragments win; what counts is the last word on each option.
    cat "${fragments[@]}" | sed -n -e 's/^\(CONFIG_[A-Za-z0-9_]*\)=.*/\1 &/p' \
        -e 's/^# \(CONFIG_[A-Za-z0-9_]*\) is not set$/\1 &/p' |
        awk '{ option = $1; sub("^[^ ]* ", ""); last[option] = $0 } END { for (o in last) print last[o] }' |
        sort > "$requested"
    cat "$requested" >> "$OBJ/.config"
    kbuild olddefconfig >> "$OBJ.log" 2>&1 || die_log "make olddefconfig failed"
    [ "${2:-}" != lax ] || return 0
    while read -r line; do
        case $line in
        '#'*)
            option=${line#\# }
            option=${option%% *}
            if grep -q "^$option=" "$OBJ/.config"; then lost="$lost
    $line (but: $(grep "^$option=" "$OBJ/.config"))"; fi
            ;;
        *)
            grep -qxF -e "$line" "$OBJ/.config" || lost="$lost
    $line (but: $(grep -m1 -E "^(# )?${line%%=*}[= ]" "$OBJ/.config" || echo "no such option, or its dependencies are not met"))"
            ;;
        esac
    done < "$requested"
    [ -z "$lost" ] || die "options of $(basename -a "${fragments[@]}" | paste -sd+) did not make it into the kernel configuration:$lost"
}

die_log() {
    grep -nE '(error|Error|warning:|undefined reference)' "$OBJ.log" | tail -n 15 >&2 || tail -n 15 "$OBJ.log" >&2
    die "$1; the whole log is $OBJ.log"
}

# prepare FLAVOUR: what kbuild needs to know; a reproducible banner
prepare() {
    FLAVOUR=$1
    OBJ=$SRC/obj${FLAVOUR:+-$FLAVOUR}
    KCC=gcc
    if have ccache; then
        KCC='ccache gcc'
        # A hit does not depend on where the cache lies.
        export CCACHE_DIR=${CCACHE_DIR:-$CACHE/ccache} CCACHE_BASEDIR=${CCACHE_BASEDIR:-$SRC} CCACHE_NOHASHDIR=1
    fi
    KBUILD_BUILD_TIMESTAMP=$(date -u -d "@$(stat -c %Y "$SRC/src/Makefile")")
    export KBUILD_BUILD_TIMESTAMP KBUILD_BUILD_USER=udrv KBUILD_BUILD_HOST=udrv KBUILD_BUILD_VERSION=1
}

# key FLAVOUR PATCH...
key() {
    local flavour=$1
    local -a fragments
    shift
    mapfile -t fragments < <(fragments "$flavour")
    {
        echo "$RECIPE $NAME"
        # The names of patches do not matter, their order does.
        [ $# -eq 0 ] || sha256sum "$@" | cut -d' ' -f1
        sha256sum "${fragments[@]}" | cut -d' ' -f1
    } | sha256sum | cut -c1-16
}

cmd_build() {
    local flavour=${1:-} key out tmp release
    local -a patches
    [ -f "$CONFIGS/${flavour:-paravisor}.config" ] || die "KCONFIG=$flavour: there is no kernel/config/$flavour.config"
    "$TOP/scripts/packages.sh" build kernel
    select_source
    mapfile -t patches < <(series)
    key=$(key "$flavour" ${patches+"${patches[@]}"})
    out=$KERNELS/out/$key
    if [ ! -d "$out" ]; then
        lock "kernel/$NAME/tree"
    fi
    if [ ! -d "$out" ]; then
        prepare "$flavour"
        stage_series "$SRC/stage" || die "the series does not apply"
        switch_tree "$SRC/stage"
        configure "$flavour"
        say "building the kernel${flavour:+ ($flavour)} from $SRC_ID with ${#patches[@]} patches; from cold this takes" \
            "about 10 minutes on 2 cores; log: $OBJ.log"
        kbuild bzImage modules >> "$OBJ.log" 2>&1 || die_log "the kernel did not build"
        tmp=$KERNELS/out/$key.partial
        fresh_dir "$tmp"
        cp "$OBJ/arch/x86/boot/bzImage" "$OBJ/System.map" "$tmp/"
        digest "$tmp/bzImage"
        cp "$OBJ/.config" "$tmp/config"
        cp "$OBJ/include/config/kernel.release" "$tmp/release"
        mkdir "$tmp/modules"
        if [ -s "$OBJ/modules.order" ]; then
            kbuild INSTALL_MOD_PATH="$tmp/modules" INSTALL_MOD_STRIP=1 DEPMOD=true modules_install >> "$OBJ.log" 2>&1 ||
                die_log "make modules_install failed"
        fi
        {
            echo "source: $SRC_ID"
            echo "compiler: $(gcc --version | head -n 1)"
            echo "key: $key"
            for patch in ${patches+"${patches[@]}"}; do echo "patch: $(basename "$patch")"; done
        } > "$tmp/built-from"
        mv -T "$tmp" "$out"
    fi
    # A cache may be older than this.
    [ -f "$out/bzImage.sha256" ] || digest "$out/bzImage"
    release=$(cat "$out/release")
    ln -sfn "$out" "$BUILD/kernel${flavour:+-$flavour}"
    record "kernel${flavour:+-$flavour}" "$release from $SRC_ID, ${#patches[@]} patches, key $key"
}

# What to compile to see whether a patch broke something: the directories in which the series touches C files,
# and single files in the large ones at the top. The whole kernel is built with the whole series only.
targets_of_series() {
    local file dir
    touched_by "$@" | grep '\.c$' | grep -v '^tools/' | while read -r file; do
        dir=$(dirname "$file")
        case $dir in
        drivers/* | */*) echo "$dir/" ;;
        *) echo "${file%.c}.o" ;;
        esac
    done | sort -u | awk '{ for (i in kept) if (index($0, kept[i]) == 1) next; kept[NR] = $0; print }'
}

# Options that the series adds
options_of_series() {
    [ $# -eq 0 ] || sed -n 's/^+\(menu\)\?config \([A-Z0-9_]*\)$/\2/p' "$@" | sort -u
}

# compiles PATCH: does it touch anything that a kernel build reads?
compiles() {
    touched_by "$1" | grep -qvE '^(Documentation|tools)/|^(MAINTAINERS|CREDITS|\.mailmap)$'
}

# configure_once OPTION...: OBJ/.config with these options off, anew only if what it comes out of has changed
configure_once() {
    local option id
    local -a off=()
    for option in "$@"; do off+=(-d "$option"); done
    id=$({
        fragments "" | xargs cat
        (cd "$SRC/stage" && find . -name 'Kconfig*' -type f | sort | xargs -r sha256sum)
        echo "$KCC $*"
    } | sha256sum)
    [ "$(cat "$OBJ.configured" 2> /dev/null)" != "$id" ] || return 0
    rm -f "$OBJ.configured"
    configure "" lax
    if [ ${#off[@]} -gt 0 ]; then
        "$SRC/patched/scripts/config" --file "$OBJ/.config" "${off[@]}"
        kbuild olddefconfig >> "$OBJ.log" 2>&1 || return 1
    fi
    echo "$id" > "$OBJ.configured"
}

# compile_touched PATCH...: with the options of the series on, then off. Caller has the lock.
compile_touched() {
    local option file on=$SRC/obj-each
    local -a targets there off=()
    stage_series "$SRC/stage" "$@" || return 1
    switch_tree "$SRC/stage"
    mapfile -t targets < <(targets_of_series "${ALL_PATCHES[@]}")
    there=()
    for file in "${targets[@]}"; do
        if [ -d "$SRC/patched/$file" ] || [ -f "$SRC/patched/${file%.o}.c" ]; then there+=("$file"); fi
    done
    OBJ=$on
    configure_once && kbuild -k KCFLAGS=-Werror "${there[@]}" > "$OBJ.log" 2>&1 || return 1
    for option in $(options_of_series "$@"); do
        if grep -q "^CONFIG_$option=" "$on/.config"; then off+=("$option"); fi
    done
    [ ${#off[@]} -gt 0 ] || return 0
    OBJ=$SRC/obj-each-off
    configure_once "${off[@]}" && kbuild -k KCFLAGS=-Werror "${there[@]}" > "$OBJ.log" 2>&1
}

# Each patch of the series leaves code that compiles without a warning. What passed once is not built again.
cmd_each() {
    local i key failed=0
    local -a prefix
    "$TOP/scripts/packages.sh" build kernel
    select_source
    mapfile -t ALL_PATCHES < <(series)
    [ ${#ALL_PATCHES[@]} -gt 0 ] || die "no patches in $PATCHES"
    mkdir -p "$KERNELS/built"
    for ((i = 1; i <= ${#ALL_PATCHES[@]}; i++)); do
        prefix=("${ALL_PATCHES[@]:0:i}")
        key=$(key "" "${prefix[@]}")
        if [ ! -e "$KERNELS/built/$key" ]; then
            lock "kernel/$NAME/tree"
            prepare ""
            if ! compiles "${ALL_PATCHES[i - 1]}" || compile_touched "${prefix[@]}"; then
                touch "$KERNELS/built/$key"
            else
                grep -E 'error:|warning:|Error ' "$OBJ.log" | tail -n 15 | sed 's/^/# /'
                failed=1
                echo "not ok $i - compiles: $(basename "${ALL_PATCHES[i - 1]}")"
                continue
            fi
        fi
        echo "ok $i - compiles: $(basename "${ALL_PATCHES[i - 1]}")"
    done
    echo "1..${#ALL_PATCHES[@]}"
    return $failed
}

# ---- editing -----------------------------------------------------------------------------------

cmd_tree() {
    local dir=${1:-$BUILD/kernel-tree} tmp
    local -a patches
    "$TOP/scripts/packages.sh" build kernel
    select_source
    mapfile -t patches < <(series)
    [ ! -e "$dir" ] || die "$dir exists already: write it back with 'make kernel-patches', or remove it to begin anew"
    tmp=$dir.partial
    rm -rf "$tmp"
    mkdir -p "$(dirname "$dir")"
    say "copying $SRC_ID to $dir"
    cp -a --reflink=auto "$SRC/src" "$tmp"
    (
        cd "$tmp"
        export GIT_AUTHOR_NAME=udrv GIT_AUTHOR_EMAIL=udrv@localhost GIT_AUTHOR_DATE='2026-01-01 00:00 +0000'
        export GIT_COMMITTER_NAME=udrv GIT_COMMITTER_EMAIL=udrv@localhost GIT_COMMITTER_DATE='2026-01-01 00:00 +0000'
        git -c init.defaultBranch=series init -q .
        git config gc.auto 0
        git config core.compression 1
        git config core.autocrlf false
        git add -A -f .
        git commit -q -m "$SRC_ID"
        git tag base
        if [ ${#patches[@]} -gt 0 ]; then
            git am -q --keep-non-patch --no-3way "${patches[@]}" ||
                die "the series does not apply to $SRC_ID with git am; what was done is in $tmp"
        fi
    ) || exit 1
    mv -T "$tmp" "$dir"
    say "$dir: ${#patches[@]} commits on top of the tag 'base'; edit them and run 'make kernel-patches'"
}

cmd_patches() {
    local dir=${1:-$BUILD/kernel-tree} out=${2:-$PATCHES} tmp
    [ -d "$dir/.git" ] || die "$dir is not there: 'make kernel-tree' creates it"
    [ -z "$(git -C "$dir" status --porcelain --untracked-files=no)" ] || die "$dir has changes that are not committed"
    if [ -d "$dir/.git/rebase-apply" ] || [ -d "$dir/.git/rebase-merge" ]; then
        die "$dir: a rebase or 'git am' is not finished"
    fi
    mkdir -p "$out"
    tmp=$(mktemp -d "$out/.new.XXXXXX")
    git -C "$dir" format-patch -q --output-directory "$tmp" --zero-commit --no-signature --numbered --abbrev=12 \
        --diff-algorithm=default -M --no-thread --no-attach --no-cover-letter --no-base base..HEAD
    rm -f "$out"/[0-9]*.patch
    find "$tmp" -name '*.patch' -exec mv {} "$out/" \;
    rmdir "$tmp"
    say "$out: $(find "$out" -maxdepth 1 -name '[0-9]*.patch' | wc -l) patches"
}

cmd_source() {
    select_source
    echo "$SRC/src"
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
headers | selftest | build | each | tree | patches | source) "cmd_$command" "$@" ;;
*) die "usage: kernel.sh headers | selftest FILE | build [FLAVOUR] | each | tree [DIR] | patches [DIR [OUT]] | source" ;;
esac
