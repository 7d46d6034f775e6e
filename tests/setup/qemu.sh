#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Setting QEMU up a second time, as every later `make check` does: with build/qemu in front of PATH. Prints TAP.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"

OLD=$BUILD/qemu
BUILD=$BUILD/check/qemu
export BUILD
fresh_dir "$BUILD"
PATH=$OLD:$PATH
count=0

for run in first second; do
    status=0
    PATH=$BUILD/qemu:$PATH "$TOP/scripts/qemu.sh" > "$BUILD/$run.log" 2>&1 || status=$?
    sed 's/^/# /' "$BUILD/$run.log"
    for program in qemu-system-x86_64 qemu-img; do
        count=$((count + 1))
        if [ $status -eq 0 ] && "$BUILD/qemu/$program" --version > /dev/null 2>&1; then
            echo "ok $count - $program runs after the $run set-up"
        else
            echo "not ok $count - $program runs after the $run set-up"
        fi
    done
done
echo "1..$count"
