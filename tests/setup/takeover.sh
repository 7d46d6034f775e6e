#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# udrv/init/takeover.ld names functions: each of them is still there, and side by side in the program. Prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

SCRIPT=udrv/init/takeover.ld
SECTION=.text.takeover
PROGRAM=$BUILD/bin/udrv
cd "$TOP" || exit 1

mapfile -t named < <(sed -n 's/^\t\t\*(\.text\.\(unlikely\.\)\?\([a-z0-9_]*\)[ )].*/\2/p' "$SCRIPT")
gone=()
for name in ${named+"${named[@]}"}; do
    grep -rqE --include='*.c' "(^|[^a-z0-9_])$name\(" udrv devices || gone+=("$name")
done
if [ ${#gone[@]} -gt 0 ]; then echo "# no function of udrv/ or devices/: ${gone[*]}"; fi
if [ ${#named[@]} -gt 0 ] && [ ${#gone[@]} -eq 0 ]; then
    echo "ok 1 - the ${#named[@]} functions that $SCRIPT names are there"
else
    echo "not ok 1 - the ${#named[@]} functions that $SCRIPT names are there"
fi

# Some have become part of their callers, and are in the program under no name.
placed() {
    local start size
    read -r start size < <(readelf -SW "$PROGRAM" | sed 's/^ *\[ *[0-9]*\]//' |
        awk -v name="$SECTION" '$1 == name { print $3, $5 }')
    [ -n "$size" ] || { echo "# $PROGRAM has no section $SECTION"; return 1; }
    # Addresses have as many digits as one another, so that text compares as they do.
    printf '%s\n' "${named[@]}" | awk -v start="a$start" -v end="a$(printf '%016x' $((16#$start + 16#$size)))" '
        NR == FNR { wanted[$1]; next }
        { name = $3; sub(/\..*/, "", name) }
        $2 ~ /[Tt]/ && $3 !~ /\.cold/ && name in wanted {
            if ("a" $1 >= start && "a" $1 < end) inside++; else outside = outside " " $3
        }
        END {
            if (outside) print "# elsewhere:" outside
            if (!inside) print "# none of them is there"
            exit outside || !inside
        }' - <(nm "$PROGRAM")
}

if placed; then
    echo "ok 2 - they lie side by side"
else
    echo "not ok 2 - they lie side by side"
fi
echo "1..2"
