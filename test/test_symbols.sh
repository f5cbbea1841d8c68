#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the built library shows and needs: it exports exactly the functions of treadle.h, keeps no mutable global, and
# calls nothing that prints, ends the process or reads its environment. The stripped program is under 2.25 MB.
#   test_symbols.sh PROGRAM REPO
set -euo pipefail
program=$1 build=$(dirname "$1") repo=$2
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

report() { # title, file of findings
    if [ -s "$2" ]; then
        echo "symbols: $1:" >&2
        cat "$2" >&2
        failed=1
    fi
}

tr '\n' ' ' <"$repo/include/treadle.h" | grep -oE 'TDL_API [^;]*\(' | grep -oE 'tdl_[a-z0-9_]+ ?\(' |
    tr -d ' (' | sort -u >"$work/declared"
nm -D --defined-only "$build/libtreadle.so" | awk '{print $3}' | sort -u >"$work/exported"
[ -s "$work/declared" ] || { echo "symbols: no function found in treadle.h" >&2; exit 1; }
comm -23 "$work/declared" "$work/exported" >"$work/missing"
comm -13 "$work/declared" "$work/exported" >"$work/extra"
report "declared in treadle.h, not exported" "$work/missing"
report "exported, not declared in treadle.h" "$work/extra"

# Constant tables with pointers lie in .data.rel.ro, which is read-only once loaded.
objdump -t "$build/libtreadle.a" | grep -E ' O \.(data|bss|tdata|tbss)|\*COM\*' | grep -v '\.data\.rel\.ro' >"$work/globals" || true
report "mutable globals" "$work/globals"

nm -u "$build/libtreadle.a" | awk '/ U /{print $2}' | sort -u >"$work/needed"
grep -xE '(__)?v?f?printf(_chk)?|puts|putchar|perror|stdout|stderr|abort|exit|_exit|getenv|secure_getenv|system|fork' \
    "$work/needed" >"$work/banned" || true
report "called, not for a library" "$work/banned"

strip -o "$work/treadle" "$program"
size=$(stat -c %s "$work/treadle")
if [ "$size" -ge 2600000 ]; then
    echo "symbols: the stripped program has $size bytes, under 2600000 expected" >&2
    failed=1
fi
echo "symbols: $(wc -l <"$work/exported") exported, program $size bytes stripped"
exit "$failed"
