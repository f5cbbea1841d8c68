#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the program says of a model's configuration: a key that nothing reads is a warning of info, in text and in JSON; a key
# that would change the maths is an error that names it; what Python's json writes beside them is read.
#   test_cli_config.sh PROGRAM REPO
set -euo pipefail
program=$1 repo=$2
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "cli_config: $*" >&2
    failed=1
}

# model NAME OLD NEW: a copy of the tiny llama whose config.json has OLD replaced by NEW
model() {
    rm -rf "${work:?}/$1"
    mkdir "$work/$1"
    cp "$repo/test/data/hf-tiny/llama/model.safetensors" "$work/$1/"
    sed "s|$2|$3|" "$repo/test/data/hf-tiny/llama/config.json" >"$work/$1/config.json"
}

ids() { "$program" run "$1" --ids 1,2,3 -n 8 --temp 0 -q --print-ids; }

same_ids() {
    local expected got
    expected=$(ids "$repo/test/data/hf-tiny/llama")
    got=$(ids "$work/$1") || fail "$1: run failed"
    [ "$got" = "$expected" ] || fail "$1: ids $got, expected $expected"
}

refused() {
    if "$program" info "$work/$1" >"$work/out" 2>"$work/err"; then fail "$1: opened"; fi
    grep -qF -- "$2" "$work/err" || fail "$1: said $(cat "$work/err"), expected $2"
}

model plain nothing nothing
"$program" info "$work/plain" >"$work/out"
if grep -q '^warning' "$work/out"; then fail "plain: $(cat "$work/out")"; fi
"$program" info "$work/plain" --json | python3 -c 'import json, sys; assert json.load(sys.stdin)["warnings"] == []' ||
    fail "plain: --json has warnings"

model window '"mlp_bias": false' '"sliding_window": 2, "my_scale": 3.5, "use_sliding_window": false'
"$program" info "$work/window" >"$work/out"
grep -qF "'sliding_window' is 2, but llama models do not read it" "$work/out" || fail "window: $(cat "$work/out")"
grep -qF "'my_scale' is unknown; nothing reads its value 3.5" "$work/out" || fail "window: $(cat "$work/out")"
"$program" info "$work/window" --json | python3 -c 'import json, sys; assert len(json.load(sys.stdin)["warnings"]) == 2' ||
    fail "window: --json has other warnings"
same_ids window

model python '"use_cache": true' '"use_cache": NaN, "a": 1e999, "a": "\\ud83d", "model_max_length": 1000000000000000019884624838656'
same_ids python

model context '"max_position_embeddings": 256,' ''
"$program" info "$work/context" >"$work/out"
grep -qF "'max_position_embeddings' is missing: what llama models have" "$work/out" || fail "context: $(cat "$work/out")"
grep -q '^context  *2048 ' "$work/out" || fail "context: $(cat "$work/out")"
model width '"hidden_size": 32,' ''
refused width "'hidden_size' is missing, the class's own counts: model: tensor 'model.embed_tokens.weight'"

model bias '"attention_bias": false' '"attention_bias": true'
refused bias q_proj.bias
model mlp '"mlp_bias": false' '"mlp_bias": true'
refused mlp mlp.gate_proj.bias
model quantized '"mlp_bias": false' '"quantization_config": {"bits": 4}'
refused quantized "'quantization_config.bits' is 4, which is not supported"
model softcap '"mlp_bias": false' '"attn_logit_softcapping": 50.0'
refused softcap "'attn_logit_softcapping' is 50, which is not supported"

exit $failed
