#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Lists the project's own files, one a line: those git tracks and those it would (untracked, not ignored).
#   sources.sh [c|sh|all]      C sources and headers, shell scripts, or everything
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-all}" in
c) patterns=('*.c' '*.h') ;;
sh) patterns=('*.sh' '.ci/run') ;;
all) patterns=('*') ;;
*)
    echo "sources.sh: '$1': c, sh or all" >&2
    exit 2
    ;;
esac
git ls-files --cached --others --exclude-standard -- "${patterns[@]}" | sort -u | while IFS= read -r path; do
    if [ -f "$path" ]; then printf '%s\n' "$path"; fi
done
