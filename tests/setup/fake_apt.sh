# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced: a Debian mirror made of files, and apt tools that know nothing else, for tests of the set-up scripts.
#
# $MIRROR/SUITE/PACKAGE_VERSION.deb is a binary package, $MIRROR/SUITE/PACKAGE_VERSION.orig.tar.gz the source of one.
# $MIRROR/installed lists the packages that the machine has; $MIRROR/lists is there if its lists have been read.
# $CALLS gets a line for each call of an apt tool.

count=0

# expect TEXT COMMAND...: a line of TAP, ok if the command succeeds
expect() {
    local text=$1
    shift
    count=$((count + 1))
    if "$@"; then
        echo "ok $count - $text"
    else
        echo "not ok $count - $text"
        sed 's/^/# /' "$WORK/out"
    fi
}

# run COMMAND...: its status and, in $WORK/out, all that it said
run() {
    STATUS=0
    : > "$CALLS"
    "$@" > "$WORK/out" 2>&1 || STATUS=$?
}

says() {
    grep -qF -e "$1" "$WORK/out"
}

# refuses TEXT...: it has failed, and said all of these
refuses() {
    [ "$STATUS" -ne 0 ] || return 1
    while [ $# -gt 0 ]; do
        says "$1" || return 1
        shift
    done
}

# has_called TEXT: one of the calls of apt tools has this in it
has_called() {
    grep -qF -e "$1" "$CALLS"
}

calls_nothing() {
    [ ! -s "$CALLS" ]
}

# A program for the front of PATH, from standard input
fake() {
    cat > "$WORK/bin/$1"
    chmod +x "$WORK/bin/$1"
}

fake_machine() {
    export MIRROR=$WORK/mirror CALLS=$WORK/calls FAKE_UID=0
    mkdir -p "$WORK/bin" "$MIRROR"
    : > "$WORK/keyring"
    echo "Signed-By: $WORK/keyring" > "$WORK/machine.sources"
    PATH=$WORK/bin:$PATH

    fake id << 'EOF'
#!/bin/sh
echo "$FAKE_UID"
EOF
    fake dpkg-query << 'EOF'
#!/bin/sh
for package; do :; done
grep -qx "$package" "$MIRROR/installed" && printf installed
EOF
    fake apt-get << EOF
#!/bin/bash
sources=$WORK/machine.sources
EOF
    cat >> "$WORK/bin/apt-get" << 'EOF'
echo "apt-get $*" >> "$CALLS"
words=()
while [ $# -gt 0 ]; do
    case $1 in
    -o) case $2 in Dir::Etc::sourceparts=*) parts=${2#*=} ;; esac; shift ;;
    -c | --format) shift ;;
    -*) ;;
    *) words+=("$1") ;;
    esac
    shift
done
case ${words[0]} in
indextargets)
    [ -e "$MIRROR/none" ] || echo "trixie|main|http://mirror.test/debian/|$sources:1"
    ;;
update)
    [ -n "$parts" ] || { : > "$MIRROR/lists"; exit 0; }
    for list in "$parts"/*.list; do
        suite=$(basename "$list" .list)
        [ -d "$MIRROR/$suite" ] || { echo "E: The repository '$suite' does not have a Release file."; exit 100; }
    done
    ;;
download)
    exec cp "$MIRROR"/*/"${words[1]%%=*}_${words[1]#*=}.deb" .
    ;;
source)
    exec cp "$MIRROR"/*/"${words[1]%%=*}_${words[1]#*=}.orig.tar.gz" .
    ;;
install)
    [ -e "$MIRROR/lists" ] || { echo "E: Unable to locate package ${words[1]}"; exit 100; }
    [ ! -e "$MIRROR/broken" ] || { echo "E: Unmet dependencies"; exit 100; }
    printf '%s\n' "${words[@]:1}" >> "$MIRROR/installed"
    ;;
*)
    echo "E: fake apt-get: $*"
    exit 1
    ;;
esac
EOF
    fake apt-cache << 'EOF'
#!/bin/bash
echo "apt-cache $*" >> "$CALLS"
words=() suites=("$MIRROR"/*/) sources=
while [ $# -gt 0 ]; do
    case $1 in
    -o)
        case $2 in
        Dir::Etc::sourcelist=*) suites=("$MIRROR/$(basename "${2#*=}" .list)/") ;;
        Dir::Etc::sourceparts=*source-suites) sources=1 ;;
        esac
        shift
        ;;
    -c) shift ;;
    *) words+=("$1") ;;
    esac
    shift
done
name=${words[1]}
for suite in "${suites[@]}"; do
    for file in "$suite$name"*.deb "$suite$name"_*.orig.tar.gz; do
        [ -e "$file" ] || continue
        base=$(basename "$file")
        package=${base%%_*} version=${base#*_}
        case ${words[0]}:$base in
        pkgnames:*.deb) echo "$package" ;;
        madison:"$name"_*.deb)
            echo " $package | ${version%.deb} | http://mirror.test/debian $(basename "$suite")/main amd64 Packages" ;;
        madison:"$name"_*.orig.tar.gz)
            [ -z "$sources" ] ||
                echo " $package | ${version%.orig.tar.gz} | http://mirror.test/debian $(basename "$suite")/main Sources" ;;
        esac
    done
done
EOF
}
