#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Commands on a model that computes NaN: each says so and where, fails, and gives no figure that looks like a result.
#   test_cli_not_finite.sh PROGRAM REPO
set -uo pipefail
program=$1 repo=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
novelist=$repo/models/novelist-7m-q8_0.gguf
[ -f "$novelist" ] || { echo "skipped: the bundled model is not here"; exit 77; }
failed=0

# The last blocks of the last matrix, all bits set: their scales are NaN.
size=$(stat -c %s "$novelist")
{ head -c $((size - 2048)) "$novelist"; head -c 2048 /dev/zero | tr '\0' '\377'; } >"$work/nan.gguf"
printf 'It was a dark and stormy night, and the old man was at home again.' >"$work/text.txt"
printf '{"text":"the old man went home"}\n{"text":"a dog ran fast"}\n' >"$work/words.jsonl"
printf '{"prompt":"The sky is","choices":["blue","green"],"answer":0}\n' >"$work/choices.jsonl"

# what is on stdout (an extended regular expression), then the command
fails() {
    local expected=$1
    shift
    "$program" "$@" >"$work/out" 2>"$work/err" <<<"hello"
    local code=$?
    if [ $code -ne 1 ]; then echo "not_finite: '$*' exits with $code, expected 1" >&2; failed=1; fi
    if ! grep -qE 'logits after position [0-9]+ are not finite: at position [0-9]+, token [0-9]+, op [0-9]+, matmul, first made NaN in' "$work/err"; then
        echo "not_finite: '$*' says '$(<"$work/err")'" >&2
        failed=1
    fi
    if ! grep -qzE "^$expected\$" <(tr -d '\n' <"$work/out"; printf '\0'); then
        echo "not_finite: '$*' prints '$(<"$work/out")', expected '$expected'" >&2
        failed=1
    fi
}
fails '' run "$work/nan.gguf" -p 'It was' -n 4 -q
fails '' run "$work/nan.gguf" -p 'It was' -n 4 -q --print-ids
fails '\{"text": "", "ids": \[\], "end": "error".*' run "$work/nan.gguf" -p 'It was' -n 4 -q --json
fails '' chat "$work/nan.gguf" -n 4
fails '' perplexity "$work/nan.gguf" -f "$work/text.txt" -c 8
fails '' perplexity "$work/nan.gguf" -f "$work/text.txt" -c 8 --json
fails '' eval "$work/nan.gguf" --data "$work/text.txt" -c 8
fails '' eval "$work/nan.gguf" --data "$work/words.jsonl" --task last-word
fails '' eval "$work/nan.gguf" --data "$work/choices.jsonl" --task choices
fails '' eval "$work/nan.gguf" --data "$work/choices.jsonl" --task choices --json
fails '' logits "$work/nan.gguf" --ids 1,2 -o "$work/logits.npy"
[ ! -e "$work/logits.npy" ] || { echo "not_finite: logits left a file" >&2; failed=1; }
exit $failed
