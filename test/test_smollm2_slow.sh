#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Real published weights, end to end: SmolLM2-135M-Instruct in Q4_1, which tools/setup.sh fetches. Its answers and its
# perplexity on test/data/text/passage.txt are those of other programs; how they were made stands in
# test/data/text/ORIGIN.md.
#   test_smollm2_slow.sh PROGRAM REPO
set -uo pipefail
program=$1 repo=$2
model=$repo/models/SmolLM2-135M-Instruct.Q4_1.gguf
failed=0

if [ ! -e "$model" ]; then
    echo "smollm2: skipped, $model is not there: tools/setup.sh model fetches it"
    exit 77
fi
fail() {
    failed=1
    echo "smollm2: failed: $*" >&2
}

# Greedy, in float32, as Transformers has it. (Rounded, the second prompt begins "L'Étoile" here and in llama.cpp.)
answer=$("$program" chat "$model" --temp 0 -n 30 --precision f32 <<<"What is the capital of France?") || fail "chat ended with $?"
[ "$answer" = "The capital of France is Paris." ] || fail "chat answered '$answer'"
ids=1,9690,198,2683,359,253,5356,5646,11173,3365,3511,308,34519,28,7018,411,407,19712,8182,2,198,1,4093,198,1780,314,260,3575,282,4649,47,2,198,1,520,9531,198
prompt=$'<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n'
got=$("$program" tokenize "$model" --special -p "$prompt") || fail "tokenize ended with $?"
[ "${got// /,}" = "$ids" ] || fail "the prompt's ids are $got"
got=$("$program" run "$model" --ids "$ids" --temp 0 -n 30 -q --precision f32) || fail "run ended with $?"
[ "$got" = "The capital of France is Paris." ] || fail "run answered '$got'"

# what, precision, expected, relative bound
perplexity() {
    local got
    got=$("$program" perplexity "$model" -f "$repo/test/data/text/passage.txt" -c 256 --json --precision "$2") || fail "$1: ended with $?"
    python3 -c "
import json, sys
got, expected, bound = json.loads(sys.argv[1])['perplexity'], float(sys.argv[2]), float(sys.argv[3])
print(f'smollm2: {sys.argv[4]}: perplexity {got:.5f}, expected {expected}, {got / expected - 1:+.1e}')
sys.exit(not abs(got / expected - 1) <= bound)" "$got" "$3" "$4" "$1" || fail "$1: perplexity"
}
perplexity "float32, against Transformers" f32 45.16841 1e-5
perplexity "rounded, against llama.cpp" auto 45.5464 0.01

[ "$failed" = 0 ] && echo "smollm2: passed"
exit "$failed"
