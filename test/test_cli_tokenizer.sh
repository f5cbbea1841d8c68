#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# treadle tokenizer train from outside: the file it writes serves treadle tokenize and detokenize, what it left out is said,
# and what is refused leaves no file.
#   test_cli_tokenizer.sh PROGRAM REPO
set -uo pipefail
program=$1 repo=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
failed=0
corpus=$repo/test/data/bpe/corpus.txt
cd "$work" || exit 1

fail() {
    failed=1
    echo "cli_tokenizer: failed: $*" >&2
}
# The exit code is $1, stderr matches $2; no new file is there.
refused() {
    local expected=$1 pattern=$2 code
    shift 2
    "$program" "$@" >out 2>err </dev/null
    code=$?
    [ "$code" = "$expected" ] || fail "'$*': exit code $code, expected $expected"
    grep -qE -- "$pattern" err || fail "'$*': '$(cat err)' does not match '$pattern'"
    [ ! -e new.json ] || fail "'$*' left new.json"
}

"$program" tokenizer train --data "$corpus" -o t.json --vocab-size 400 2>err || fail "train: $(cat err)"
grep -q '^400 tokens from 0.01 MB of text, .*: t.json$' err || fail "train said '$(cat err)'"
"$program" tokenizer train "--data=$corpus" --out again.json --vocab-size=400 2>/dev/null || fail "train again"
cmp t.json again.json || fail "the same data gave another file"
ids=$("$program" tokenize t.json -f "$corpus") || fail "tokenize"
read -ra list <<<"$ids"
[ "${#list[@]}" -lt 4000 ] || fail "${#list[@]} ids for a text of $(wc -c <"$corpus") bytes"
echo "$ids" | "$program" detokenize t.json >text || fail "detokenize"
cmp -n "$(wc -c <"$corpus")" "$corpus" text || fail "the text did not come back"

json=$("$program" tokenizer train --data "$corpus" -o u.json --vocab-size 100000 --special '<|im_start|>' --special '<|im_end|>' --json 2>err)
grep -qE 'warning: [0-9]+ tokens, not 100000: no other pair of tokens occurs 2 times' err || fail "too many tokens: '$(cat err)'"
grep -q '"n_vocab": [0-9]*,' <<<"$json" || fail "--json printed '$json'"
[ "$("$program" tokenize u.json --special -p '<|im_start|><|endoftext|>')" = '1 0' ] || fail "special tokens"

{ cat "$corpus"; printf '\351 caf\351\n'; } >latin.txt
"$program" tokenizer train --data latin.txt -o v.json 2>err || fail "a few bytes that are no UTF-8"
grep -q 'warning: 2 of [0-9]* bytes are not valid UTF-8' err || fail "invalid bytes: '$(cat err)'"

: >empty.txt
head -c 3000 /dev/urandom >random.dat
refused 2 "'train' is missing" tokenizer
refused 2 "'frob': 'train' expected" tokenizer frob
refused 2 '--data FILE is missing' tokenizer train -o new.json
refused 2 '--out FILE is missing' tokenizer train --data "$corpus"
refused 1 "empty.txt': the file is empty" tokenizer train --data empty.txt -o new.json
refused 1 "random.dat': is a binary file" tokenizer train --data random.dat -o new.json
refused 1 '256 tokens, expected 257 \(256 bytes and 1 special token\)' tokenizer train --data "$corpus" -o new.json --vocab-size 256
refused 1 "pre-tokenizer 'x' is unknown, expected" tokenizer train --data "$corpus" -o new.json --pre x
refused 1 'no-such.txt' tokenizer train --data "$corpus" no-such.txt -o new.json
refused 1 'no-such-dir' tokenizer train --data "$corpus" -o no-such-dir/new.json
[ "$failed" = 0 ] && echo "cli_tokenizer: passed"
exit "$failed"
