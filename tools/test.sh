#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds and tests. A failed step does not stop the others. At the end: the ten slowest tests, how many tests passed and
# failed over all steps, and what was not tested.
#   test.sh quick   what make check runs: source checks, release build, quick tests
#   test.sh         what make test and continuous integration run: source checks; release build with gcc and all tests but
#                   the long ones (the installed library, the documents and the bundled model among them); clang builds with
#                   address + undefined-behaviour and with thread sanitizer, quick tests but the op suites; the op suite for
#                   64-bit Arm under qemu; the ABI; every fuzz target for FUZZ_SECONDS (10)
#   test.sh long    what make test-long runs, for a nightly or a release: all of that, the op suites under every sanitizer, every
#                   driver and with the least limits, long tests, every fuzz target for FUZZ_SECONDS (120)
set -uo pipefail
cd "$(dirname "$0")/.." || exit
export JOBS=${JOBS:-$(nproc)}
n_passed=0 n_failed=0 n_skipped=0
failures=() # steps and tests
untested=() # lines that say what is missing
log=$(mktemp)
times=$(mktemp) # "SECONDS TEST (PRESET)", one line a test
trap 'rm -f "$log" "$times"' EXIT

main() {
    case "${1:-}" in
    quick) quick ;;
    "") all -E '^op_suite' ;;
    long) all ;;
    *)
        echo "usage: test.sh [quick | long]" >&2
        exit 2
        ;;
    esac
    summary
}

quick() {
    step "source checks" tools/lint.sh
    tests release -L quick
}

# The arguments leave out tests of the sanitizers' builds; none: this is the long run.
all() {
    local release=() fuzz_seconds=120
    if [ $# != 0 ]; then release=(-LE long) fuzz_seconds=10; fi
    step "source checks" tools/lint.sh
    tests release "${release[@]}"
    step "ABI" tools/check_abi.sh compare
    tests asan -L quick "$@"
    if tsan_works; then
        tests tsan -L quick "$@"
    else
        untested+=("skipped: programs with the thread sanitizer do not start on this system")
    fi
    tests aarch64 -L quick
    step "fuzz build" tools/build.sh fuzz
    step "fuzz" tools/fuzz.sh build/fuzz "${FUZZ_SECONDS:-$fuzz_seconds}" "$JOBS"
}

# A command that passes or fails as one.
step() {
    local name=$1
    shift
    title "$name"
    if "$@"; then
        n_passed=$((n_passed + 1))
    else
        n_failed=$((n_failed + 1))
        failures+=("$name")
    fi
}

# Builds a preset and runs its tests, each of which counts.
tests() {
    local preset=$1 counts skipped dir
    shift
    title "$preset"
    if ! tools/build.sh "$preset"; then
        n_failed=$((n_failed + 1))
        failures+=("$preset: build")
        return
    fi
    dir=$(build_dir "$preset")
    ctest --test-dir "$dir" --output-on-failure --no-tests=error -j "$JOBS" "$@" | tee "$log" ||
        failures+=("$preset:$(sed -nE 's/^[[:space:]]+[0-9]+ - (.*)$/ \1;/p' "$log" | grep -v '(Skipped)' | tr -d '\n')")
    sed -nE "s/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) .* ([0-9.]+) sec *$/\2 \1 ($preset)/p" "$log" >>"$times"
    counts=$(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*/\1 \2/p' "$log")
    # shellcheck disable=SC2086 # two numbers
    set -- ${counts:-1 1}
    skipped=$(grep -c '\*\*\*Skipped' "$log")
    n_failed=$((n_failed + $1))
    n_passed=$((n_passed + $2 - $1 - skipped))
    n_skipped=$((n_skipped + skipped))
    if [ -s "$dir/tests_not_built.txt" ]; then untested+=("$preset: $(cat "$dir/tests_not_built.txt")"); fi
}

build_dir() { if [ "$1" = release ]; then echo build; else echo "build/$1"; fi; }

title() { printf '\n==== %s (%d s)\n' "$1" "$SECONDS"; }

# The thread sanitizer needs an address space that some kernels and containers do not give.
tsan_works() {
    local program
    program=$(mktemp)
    echo 'int main(void) { return 0; }' | clang-19 -fsanitize=thread -x c - -o "$program" && "$program"
    local rc=$?
    rm -f "$program"
    return "$rc"
}

# Fails where a test failed, and where most tests are not built.
summary() {
    title "the slowest tests"
    sort -rn "$times" | head -n 10 | awk '{printf "%8.1f s  %s %s\n", $1, $2, $3}'
    title "summary"
    if [ "$n_skipped" != 0 ]; then echo "$n_skipped skipped"; fi
    if [ "$n_failed" != 0 ]; then printf 'failed: %s\n' "${failures[@]}"; fi
    echo "$n_passed passed, $n_failed failed"
    if [ "${#untested[@]}" != 0 ]; then printf '%s\n' "${untested[@]}"; fi
    [ "$n_failed" = 0 ] && ! [[ "${untested[*]}" =~ "not built" ]]
}

main "$@"
