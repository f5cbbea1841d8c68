#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Training from outside: what zero means, which files are data and what is said of them, ends by signals, resuming, and that eval
# measures what training validates on.
#   test_cli_train.sh PROGRAM REPO
set -uo pipefail
program=$1 repo=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
failed=0
exec 3>&2 # where the shell's own word on a killed job does not go
model=$repo/models/novelist-7m-q8_0.gguf

fail() {
    failed=$((failed + 1))
    echo "cli_train: failed: $*" >&3
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
finetune() { # data, directory, options
    local data=$1 dir=$2
    shift 2
    run finetune "$model" --data "$data" --out "$dir" --rank 2 --target 'blk.0.attn_q.weight' -b 2 -c 64 -t 1 "$@"
}
lines() { wc -l <"$1/log.jsonl"; }

printf '%s\n' '{"prompt": "Who are you?", "completion": " I am a captain, and my ship is at sea."}' \
    '{"prompt": "Where is she?", "completion": " She went down to the harbour at night."}' >"$work/data.jsonl"
for ((i = 0; i < 200; i++)); do printf 'The cat sees the house today. A dog likes a tree again. '; done >"$work/text.txt"

test_zero() {
    local sums=() flag
    for flag in '' '--weight-decay 0' '--clip 0' '--lr 0' '--lr-min 0' '--warmup 0'; do
        # shellcheck disable=SC2086
        run train --from "$model" --data "$work/text.txt" --out "$work/zero" -n 3 -b 1 -c 32 -t 1 --freeze 'blk.*' $flag
        same "train $flag" "$code" 0
        sums+=("$(md5sum <"$work/zero/model.gguf")")
        [ "$flag" = '--lr 0' ] && matches '--lr 0' "$err" 'the weights stay as they are'
        [ "$flag" = '--lr 0' ] && matches '--lr 0' "$(<"$work/zero/log.jsonl")" '"lr":0\.0,'
        [ "$flag" = '--lr-min 0' ] && matches '--lr-min 0' "$(tail -1 "$work/zero/log.jsonl")" '"lr":0\.0,'
        [ "$flag" = '--warmup 0' ] && matches '--warmup 0' "$(head -1 "$work/zero/log.jsonl")" '"lr":'
        rm -rf "$work/zero"
    done
    for i in 1 2 3 4; do [ "${sums[0]}" != "${sums[i]}" ] || fail "zero number $i is the default"; done
    finetune "$work/data.jsonl" "$work/zero" -n 1 --alpha 0
    matches '--alpha 0' "$err" 'the adapters change nothing'
    matches '--alpha 0' "$(<"$work/zero/adapter/adapter_config.json")" '"lora_alpha": ?0'
    rm -rf "$work/zero"
    run train --from "$model" --data "$work/text.txt" --out "$work/zero" -n 1 --weight-decay -0.5
    same '--weight-decay -0.5' "$code" 1
    matches '--weight-decay -0.5' "$err" 'weight_decay is -0.5, expected 0 to 100'
}

test_files() {
    local name
    cp "$work/data.jsonl" "$work/data.JSONL"
    cp "$work/data.jsonl" "$work/lines.json"
    { printf '[' && sed '1s/$/,/' "$work/data.jsonl" && printf ']'; } >"$work/array.json"
    for name in data.jsonl data.JSONL lines.json array.json; do
        finetune "$work/$name" "$work/files" -n 1
        same "$name" "$code" 0
        [ "$name" = data.jsonl ] && first=$(head -1 "$work/files/log.jsonl" | grep -o '"loss":[^,]*')
        same "$name: its loss" "$(head -1 "$work/files/log.jsonl" | grep -o '"loss":[^,]*')" "$first"
        rm -rf "$work/files"
    done
    printf 'prompt,completion\na,b\n' >"$work/data.csv"
    finetune "$work/data.csv" "$work/files" -n 1
    same 'CSV' "$code" 1
    matches 'CSV' "$err" "data.csv': is CSV, expected text or JSONL; its rows, with columns prompt and completion, become records with: python3"
    # What the message says to do gives what it promises.
    if command -v python3 >/dev/null; then
        (cd "$work" && bash -c "$(sed 's/.*records with: //' err)")
        printf '{"prompt": "a", "completion": "b"}\n' | cmp -s - "$work/data.jsonl" || fail "CSV: its command wrote $(<"$work/data.jsonl")"
        mv "$work/data.JSONL" "$work/data.jsonl"
    fi
    { cat "$work/data.jsonl" && echo '{"text": ""}' && printf '{"prompt": "%s", "completion": "no room"}\n' \
        "$(head -c 800 "$work/text.txt")"; } >"$work/more.jsonl"
    rm -rf "$work/files"
    finetune "$work/more.jsonl" "$work/files" -n 1
    matches 'left out' "$err" 'data: 1 of 4 records are empty: left out'
    matches 'left out' "$err" 'data: 1 of 4 records have no answer in a window of 64 tokens'
    matches 'run.json' "$(<"$work/files/run.json")" '"records":4,"empty":1,"masked":0,"dropped":1'
    cp "$work/data.jsonl" "$work/records.txt"
    finetune "$work/records.txt" "$work/text" -n 1
    matches 'records as text' "$err" "records.txt' is read as text, but it begins as records do"
}

# eval of a base model says what the validation loss of a run that learns nothing is.
test_eval() {
    local -a loss
    finetune "$work/text.txt" "$work/eval" -n 1 --lr 0 --val "$work/more.jsonl" --precision f32
    loss=("$(grep -o '"val_loss":[0-9.]*' "$work/eval/log.jsonl" | cut -d: -f2)")
    run eval "$model" --data "$work/more.jsonl" -c 64 --json --precision f32 -t 1
    same 'eval' "$code" 0
    matches 'eval: left out' "$err" '1 of 4 records have nothing that is learned'
    matches 'eval: left out' "$err" '1 records have no answer within 64 tokens'
    matches 'eval: left out' "$out" '"n_left_out": 2'
    loss+=("$(grep -o '"loss": [0-9.]*' "$work/out" | cut -d' ' -f2)")
    awk -v a="${loss[0]}" -v b="${loss[1]}" 'BEGIN { exit !(a > 1 && (a - b) ^ 2 < 1e-8) }' ||
        fail "eval: ${loss[1]}, training's validation ${loss[0]}"
    run eval "$model" --data - -c 64 --json -t 1
    same 'eval of nothing' "$code" 1
    "$program" eval "$model" --data - -c 64 --json --precision f32 -t 1 <"$work/more.jsonl" >"$work/piped" 2>/dev/null
    same 'eval of stdin' "$(grep -o '"loss": [0-9.]*' "$work/piped" | cut -d' ' -f2)" "${loss[1]}"
}

wait_until() { # seconds, then a command that becomes true
    local i
    for ((i = 0; i < 20 * $1; i++)); do
        "${@:2}" && return
        sleep 0.05
    done
    fail "waited in vain for: ${*:2}"
}
has_lines() { [ -f "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]; }

# Ended by either signal, a run goes on as if nothing had happened; its log has every step once.
test_signals() {
    local signal pid whole
    finetune "$work/data.jsonl" "$work/whole" -n 40
    whole=$(md5sum <"$work/whole/adapter/adapter_model.safetensors")
    for signal in INT TERM KILL; do
        local dir=$work/by-$signal
        "$program" finetune "$model" --data "$work/data.jsonl" --out "$dir" --rank 2 --target 'blk.0.attn_q.weight' -b 2 \
            -c 64 -t 1 -n 40 --checkpoint-every 3 2>"$work/err" &
        pid=$!
        wait_until 60 has_lines "$dir/log.jsonl" 4
        kill -"$signal" "$pid"
        wait "$pid" 2>/dev/null
        code=$?
        [ "$signal" = KILL ] || same "$signal" "$code" 130
        [ "$signal" = KILL ] || matches "$signal" "$(<"$work/err")" 'stopped after step [0-9]+; go on with --resume'
        run finetune "$model" --data "$work/data.jsonl" --out "$dir" --rank 2 --target 'blk.0.attn_q.weight' -t 1 --resume
        same "after $signal" "$code" 0
        same "after $signal: the model" "$(md5sum <"$dir/adapter/adapter_model.safetensors")" "$whole"
        same "after $signal: the log" "$(grep -o '"step":[0-9]*,"loss":[^,]*' "$dir/log.jsonl")" \
            "$(grep -o '"step":[0-9]*,"loss":[^,]*' "$work/whole/log.jsonl")"
    done 2>/dev/null
}

test_resume() {
    finetune "$work/data.jsonl" "$work/whole" -n 40 --resume
    same 'a finished run' "$code" 0
    matches 'a finished run' "$err" 'nothing is left to train: 40 of 40 steps are done; --steps above 40 goes on'
    finetune "$work/data.jsonl" "$work/whole" -n 41 --resume --lr 1e-5
    matches 'resume' "$err" "resume: n_steps is 41, the checkpoint's was 40"
    matches 'resume' "$err" "resume: lr is 9.99.*e-06, the checkpoint's was"
    finetune "$work/data.jsonl" "$work/whole" --resume --alpha 400
    same 'another alpha' "$code" 1
    matches 'another alpha' "$err" "the checkpoint's lora_alpha is 4, this run's is 400"
    finetune "$work/text.txt" "$work/whole" --resume
    matches 'other data' "$err" 'the position is one in other data'
}

# What was measured before Ctrl-C is printed, and a file of logits has the rows that it says.
test_interrupted() {
    local command pid
    for ((i = 0; i < 400; i++)); do cat "$work/text.txt"; done >"$work/long.txt"
    head -c 400000 "$work/long.txt" >"$work/prompt.txt"
    for command in "eval $model --data $work/long.txt -c 64" "perplexity $model -f $work/long.txt -c 64"; do
        rm -f "$work/err"
        # shellcheck disable=SC2086
        TREADLE_PROGRESS_SECONDS=0 "$program" $command -t 1 --json >"$work/out" 2>"$work/err" &
        pid=$!
        wait_until 60 grep -qsE '^(chunk|window) [0-9]' "$work/err" # something has been measured
        kill -INT "$pid"
        wait "$pid"
        same "${command%% *}" "$?" 130
        matches "${command%% *}" "$(<"$work/out")" '"interrupted": true'
        matches "${command%% *}" "$(<"$work/out")" '"n_scored": [1-9]'
    done
}

if [ ! -f "$model" ]; then
    echo "cli_train: skipped: $model is not there"
    exit 0
fi
test_zero
test_files
test_eval
test_signals
test_resume
test_interrupted
[ "$failed" = 0 ] || exit 1
echo 'cli_train: all passed'
