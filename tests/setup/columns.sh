#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# C has the columns that .editorconfig gives it. Only a line with a message may be longer: those are searched for.
set -u
cd "$(dirname "$0")/../.." || exit 1

limit=$(sed -n '/c,h,mk/,/^$/s/^max_line_length = //p' .editorconfig)
mapfile -t files < <(find include udrv devices tests -name '*.[ch]' | sort)

long=$(for file in "${files[@]}"; do
    expand -t 8 "$file" | LC_ALL=C.UTF-8 grep -nE "^.{$((limit + 1))}" | grep -v '"' | sed "s|^|$file:|"
done)

if [ -n "$limit" ] && [ ${#files[@]} -gt 100 ] && [ -z "$long" ]; then
    echo "ok 1 - the lines of ${#files[@]} files have at most $limit columns"
else
    echo "not ok 1 - lines of more than ${limit:-unknown} columns in ${#files[@]} files"
    while read -r line; do echo "# $line"; done <<< "$long"
fi
echo 1..1
