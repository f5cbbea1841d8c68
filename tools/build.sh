#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Configures and builds one preset of CMakePresets.json.
#   build.sh PRESET [arguments of cmake --build, such as --target treadle]
# The configuration's output is shown only if it fails, and then what is missing, if anything is, stands in its place.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
if [ -z "${CMAKE_GENERATOR:-}" ] && command -v ninja >/dev/null; then
    export CMAKE_GENERATOR=Ninja # for a new build directory; an existing one keeps its own
fi
unset MAKEFLAGS MAKELEVEL # CMake's own make is no part of ours: no directory messages, its own number of jobs
log=$(mktemp)
trap 'rm -f "$log"' EXIT
case $preset in
release | debug) what='demo' ;;
*) what='test' ;; # another compiler, sanitizers
esac
if ! command -v cmake >/dev/null || ! cmake --preset "$preset" >"$log" 2>&1; then
    tools/setup.sh check "$what" || exit 1
    cat "$log" >&2
    exit 1
fi
grep -- '-- .* not ' "$log" >&2 || true
cmake --build --preset "$preset" -j "${JOBS:-$(nproc)}" "$@"
