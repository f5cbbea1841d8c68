#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The checks that need no build: layers, sizes, names, paths in the docs, banned calls, code in comments, licence lines, format, shell scripts.
# Runs all of them and fails if any does. A tool that is not installed is named and its check left out.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
failed=0
clang_format=${CLANG_FORMAT:-clang-format-19}

run() {
    if ! "$@"; then
        echo "lint: failed: $*" >&2
        failed=1
    fi
}

have() {
    command -v "$1" >/dev/null && return 0
    echo "lint: skipped, $1 is not installed ($2)" >&2
    return 1
}

# shellcheck disable=SC2317 # called through run
check_format() {
    local bad
    bad=$(tools/sources.sh c | xargs "$clang_format" --dry-run 2>&1 | sed -n 's/:.*clang-format-violations.*//p' | sort -u)
    [ -z "$bad" ] || printf '%s\nformat: the files above differ: make format\n' "$bad" >&2
    [ -z "$bad" ]
}
# shellcheck disable=SC2317
check_shell() { tools/sources.sh sh | xargs shellcheck -x; }

if have python3 'layers, sizes, names, paths, banned calls, comments'; then
    for script in layers size names paths banned comments licence; do
        run python3 "tools/check_$script.py"
    done
fi
have "$clang_format" 'format of C files' && run check_format
have shellcheck 'shell scripts' && run check_shell
[ "$failed" = 0 ] && echo "lint: all checks passed"
exit "$failed"
