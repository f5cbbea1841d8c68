#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs every fuzz target of a build for some seconds, several at a time.
#   fuzz.sh BUILD_DIR SECONDS [JOBS]
# New inputs go to BUILD_DIR/corpus/<thing>; fuzz/seeds/<thing> is read only. A crash leaves its input in
# BUILD_DIR/crashes and its log on the terminal: mend it, and add the input to the seeds.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 seconds=$2 jobs=${3:-$(nproc)}
mkdir -p "$build/crashes" "$build/logs"

fuzz_one() {
    local target=$1 thing log corpus seeds=()
    thing=$(basename "$target")
    thing=${thing#fuzz_}
    log=$build/logs/$thing.log
    corpus=$build/corpus/$thing
    mkdir -p "$corpus"
    [ -d "fuzz/seeds/$thing" ] && seeds=("fuzz/seeds/$thing")
    if nice "$target" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/crashes/$thing-" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
        echo "fuzz: $thing: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs, no crash"
    else
        tail -n 60 "$log"
        echo "fuzz: $thing: FAILED; the input is in $build/crashes"
        return 1
    fi
}
export -f fuzz_one
export build seconds

shopt -s nullglob
targets=()
for target in "$build"/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] && targets+=("$target")
done
if [ "${#targets[@]}" = 0 ]; then
    echo "fuzz: no fuzz target in $build" >&2
    exit 1
fi
# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P "$jobs" bash -c 'fuzz_one "$1" || exit 1' _
