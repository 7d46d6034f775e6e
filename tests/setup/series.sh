#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel series as a maintainer would take it: it survives the way through git and back without a diff,
# checkpatch has nothing to say, and each patch leaves a kernel that builds. Prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

KERNEL=$TOP/scripts/kernel.sh
WORK=$BUILD/check/series
count=0

# result STATUS TEXT
result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then echo "ok $count - $2"; else echo "not ok $count - $2"; fi
}

mapfile -t patches < <(find "$TOP/kernel/patches" -maxdepth 1 -name '[0-9]*.patch' 2> /dev/null | sort)
if [ ${#patches[@]} -eq 0 ]; then
    result 1 "there is a series in kernel/patches"
    echo "1..$count"
    exit 1
fi
source=$("$KERNEL" source)

fresh_dir "$WORK"
status=0
"$KERNEL" tree "$WORK/tree" > "$WORK/tree.log" 2>&1 || status=$?
if [ $status -ne 0 ]; then sed 's/^/# /' "$WORK/tree.log"; fi
result $status "make kernel-tree applies the series with git am"

if [ $status -eq 0 ]; then
    mkdir "$WORK/patches"
    "$KERNEL" patches "$WORK/tree" "$WORK/patches" > "$WORK/patches.log" 2>&1 || status=$?
    mkdir "$WORK/before"
    cp "${patches[@]}" "$WORK/before/"
    diff -ru "$WORK/before" "$WORK/patches" > "$WORK/diff" || status=$?
    head -n 40 "$WORK/diff" | sed 's/^/# /'
fi
result $status "make kernel-patches writes back the same files"
rm -rf "$WORK/tree"

for patch in "${patches[@]}"; do
    status=0
    output=$(cd "$source" && perl scripts/checkpatch.pl --strict --no-summary --terse "$patch" 2>&1) || status=$?
    [ -z "$output" ] || while read -r line; do echo "# $line"; done <<< "$output"
    result $status "checkpatch: $(basename "$patch")"
done

compiled=0
while read -r line; do
    case $line in
    "ok "*)
        result 0 "${line#* - }"
        compiled=$((compiled + 1))
        ;;
    "not ok "*)
        result 1 "${line#* - }"
        compiled=$((compiled + 1))
        ;;
    "#"*) echo "$line" ;;
    esac
done < <("$KERNEL" each)
if [ $compiled -ne ${#patches[@]} ]; then
    result 1 "every patch was compiled ($compiled of ${#patches[@]})"
fi

echo "1..$count"
