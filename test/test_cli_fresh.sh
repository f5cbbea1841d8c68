#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# treadle train with nothing but a text: what it makes, what runs, what is refused, and that a failed start leaves nothing.
#   test_cli_fresh.sh PROGRAM REPO
set -uo pipefail
program=$(realpath "$1") repo=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
failed=0
text=$repo/test/data/bpe/corpus.txt
few=(--steps 1 --batch 1 --seq 16)
cd "$work" || exit 1

fail() {
    failed=1
    echo "cli_fresh: failed: $*" >&2
}
# The exit code is $1, stderr matches $2; the directory "new" is not there.
refused() {
    local expected=$1 pattern=$2 code
    shift 2
    "$program" train "$@" --out new/run >out 2>err </dev/null
    code=$?
    [ "$code" = "$expected" ] || fail "'$*': exit code $code, expected $expected"
    grep -qE -- "$pattern" err || fail "'$*': '$(cat err)' does not match '$pattern'"
    [ ! -e new ] || fail "'$*' left $(find new)"
}

"$program" train --size tiny --data "$text" --out run "${few[@]}" 2>err || fail "train: $(cat err)"
for file in config.json tokenizer.json model.gguf loss.html log.jsonl checkpoint.tdl; do
    [ -s "run/$file" ] || fail "train made no $file"
done
"$program" run run/model.gguf -p 'The' -n 3 --temp 0 >/dev/null 2>err || fail "run: $(cat err)"
[ "$("$program" tokenize run/model.gguf -f "$text")" = "$("$program" tokenize run/tokenizer.json -f "$text")" ] ||
    fail "the model's tokenizer is not the trained one"
"$program" train --size tiny --data "$text" --out run --resume --steps 2 --batch 1 --seq 16 2>err || fail "resume: $(cat err)"
grep -q 'steps 2 to 2' err || fail "resume said '$(cat err)'"

# The files of one run serve another, a GGUF file's tokenizer too.
"$program" train --config run/config.json --tokenizer run/model.gguf --data "$text" --out second "${few[@]}" 2>err ||
    fail "train with a GGUF file's tokenizer: $(cat err)"
"$program" train --size tiny --tokenizer run/model.gguf --data "$text" --out third "${few[@]}" 2>err || fail "third: $(cat err)"
[ ! -e third/tokenizer.json ] || fail "a tokenizer was trained although one was given"

refused 2 'one of --from MODEL, --config FILE and --size NAME is needed' --data "$text"
refused 2 '--size is of a model of its own: x.gguf has another' --size tiny --from x.gguf --data "$text"
refused 1 "shape is 'huge', expected 'tiny' or 'small'" --size huge --data "$text"
refused 1 'no-such.txt' --size tiny --data no-such.txt
refused 1 '100 tokens, expected 257' --size tiny --data "$text" --vocab-size 100
refused 1 "n_seq is 4096, the model's context is" --size tiny --data "$text" --seq 4096
refused 1 'no-such.txt' --size tiny --data "$text" --val no-such.txt
echo '{"model_type": "llama"}' >config.json
refused 1 "'num_hidden_layers', 'hidden_size', .*'max_position_embeddings' are missing" --config config.json \
    --tokenizer run/tokenizer.json --data "$text"
[ "$failed" = 0 ] && echo "cli_fresh: passed"
exit "$failed"
