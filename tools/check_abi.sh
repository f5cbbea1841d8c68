#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Compares the shared library's ABI (exported functions, and the layouts of the structs they use) with its snapshot.
#   check_abi.sh compare      fails on any difference
#   check_abi.sh update       writes abi/libtreadle.abi anew: part of the change that means to change the ABI
# It reads debug information, so it looks at the debug build. Compared on x86-64 only, where the snapshot is made.
set -euo pipefail
cd "$(dirname "$0")/.."
snapshot=abi/libtreadle.abi
library=build/debug/libtreadle.so

if ! command -v abidw >/dev/null || [ "$(uname -m)" != x86_64 ]; then
    echo "abi: skipped, it takes abigail-tools on x86-64"
    exit 0
fi
tools/build.sh debug --target treadle_shared
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
abidw --headers-dir include --drop-private-types --exported-interfaces-only --no-corpus-path --no-comp-dir-path --no-show-locs \
    --no-parameter-names --type-id-style hash --no-elf-needed "$library" | sed "s#path='$PWD/#path='#" >"$work/now.abi"
case "${1:-}" in
update)
    mkdir -p abi
    cp "$work/now.abi" "$snapshot"
    echo "abi: wrote $snapshot"
    ;;
compare)
    if ! abidiff --no-show-locs "$snapshot" "$work/now.abi"; then
        echo "abi: differs from $snapshot. If that is meant: make abi-update, and a line in CHANGELOG.md" >&2
        exit 1
    fi
    echo "abi: as in $snapshot"
    ;;
*)
    echo "usage: check_abi.sh compare|update" >&2
    exit 2
    ;;
esac
