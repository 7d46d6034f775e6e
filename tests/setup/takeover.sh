#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# udrv/init/takeover.ld names functions: each of them is still there. Prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

SCRIPT=udrv/init/takeover.ld
cd "$TOP" || exit 1

gone=()
named=0
while read -r name; do
    named=$((named + 1))
    grep -rqE --include='*.c' "(^|[^a-z0-9_])$name\(" udrv devices || gone+=("$name")
done < <(sed -n 's/^\t\t\*(\.text\.\(unlikely\.\)\?\([a-z0-9_]*\)[ )].*/\2/p' "$SCRIPT")

if [ ${#gone[@]} -gt 0 ]; then echo "# no function of udrv/ or devices/: ${gone[*]}"; fi
if [ "$named" -gt 0 ] && [ ${#gone[@]} -eq 0 ]; then
    echo "ok 1 - the $named functions that $SCRIPT names are there"
else
    echo "not ok 1 - the $named functions that $SCRIPT names are there"
fi
echo "1..1"
