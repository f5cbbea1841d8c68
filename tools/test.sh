#!/usr/bin/env bash
# The whole test run, as continuous integration does it: source checks; release build with gcc and all tests (the
# installed library, the documents and the bundled model among them); clang builds with address + undefined-behaviour
# and with thread sanitizer, quick tests; the op suite for 64-bit Arm under qemu; the ABI; every fuzz target.
# A failed step does not stop the others. The last line says how many tests passed and failed, over all steps.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
export JOBS=${JOBS:-$(nproc)}
n_passed=0 n_failed=0 n_skipped=0
failures=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

main() {
    step "source checks" tools/lint.sh
    tests release
    step "ABI" tools/check_abi.sh compare
    tests asan -L quick
    if tsan_works; then
        tests tsan -L quick
    else
        echo "test: skipped, programs with the thread sanitizer do not start on this system" >&2
    fi
    tests aarch64 -L quick
    step "fuzz build" tools/build.sh fuzz
    step "fuzz" tools/fuzz.sh build/fuzz "${FUZZ_SECONDS:-30}" "$JOBS"
    summary
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
    local preset=$1 counts skipped
    shift
    title "$preset"
    if ! tools/build.sh "$preset"; then
        n_failed=$((n_failed + 1))
        failures+=("$preset: build")
        return
    fi
    ctest --test-dir "$(build_dir "$preset")" --output-on-failure --no-tests=error -j "$JOBS" "$@" | tee "$log" ||
        failures+=("$preset:$(sed -nE 's/^[[:space:]]+[0-9]+ - (.*)$/ \1;/p' "$log" | grep -v '(Skipped)' | tr -d '\n')")
    counts=$(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*/\1 \2/p' "$log")
    # shellcheck disable=SC2086 # two numbers
    set -- ${counts:-1 1}
    skipped=$(grep -c '\*\*\*Skipped' "$log")
    n_failed=$((n_failed + $1))
    n_passed=$((n_passed + $2 - $1 - skipped))
    n_skipped=$((n_skipped + skipped))
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

summary() {
    title "summary"
    if [ "$n_skipped" != 0 ]; then echo "$n_skipped skipped"; fi
    if [ "$n_failed" != 0 ]; then printf 'failed: %s\n' "${failures[@]}"; fi
    echo "$n_passed passed, $n_failed failed"
    [ "$n_failed" = 0 ]
}

main
