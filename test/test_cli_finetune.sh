#!/usr/bin/env bash
# Fine-tuning on the first try, from outside: what is chosen where nothing is said, that it is said, and that what was taught is
# there afterwards.
#   test_cli_finetune.sh PROGRAM REPO
set -uo pipefail
program=$1 repo=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
failed=0
model=$repo/models/novelist-7m-q8_0.gguf

fail() {
    failed=$((failed + 1))
    echo "cli_finetune: failed: $*" >&2
}
same() { # what, got, expected
    [ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"
}
matches() { # what, text, extended regular expression
    grep -qE -- "$3" <<<"$2" || fail "$1: '$2' does not match '$3'"
}
run() {
    "$program" "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    out=$(<"$work/out") err=$(<"$work/err")
}

test_options() {
    local option
    for option in --config --tokenizer --size --vocab-size --from; do
        run finetune "$model" "$option" 1 --data d --out "$work/o"
        same "finetune $option" "$code" 2
        matches "finetune $option" "$err" "^treadle: finetune: $option is of treadle train: finetune begins with"
        run finetune "$model" "$option=1" --data d --out "$work/o"
        matches "finetune $option=1" "$err" "finetune: $option is of treadle train"
        run finetune --help
        grep -qE -- "^ +$option " <<<"$out" && fail "finetune --help has $option"
        run train --help
        matches "train --help" "$out" "^ +$option "
    done
    run finetune "$model" --nonsense 1
    matches 'an option of nobody' "$err" "finetune: unknown option '--nonsense'"
}

test_options
[ "$failed" = 0 ] || exit 1
