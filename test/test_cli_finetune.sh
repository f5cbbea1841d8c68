#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
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

# A few lines of chat: windows as long as the longest of them needs, one by one, more often than three times; and all of that is said.
test_defaults() {
    local i
    for i in 1 2 3 4 5 6; do
        printf '{"messages": [{"role": "user", "content": "What is %s?"}, {"role": "assistant", "content": "A fish."}]}\n' "$i"
    done >"$work/chats.jsonl"
    run finetune "$model" --data "$work/chats.jsonl" --out "$work/run" --rank 2 --target 'blk.0.attn_q.weight' -t 1
    same 'what is chosen' "$code" 0
    matches 'what is chosen' "$err" '^a step: 1 sequence of [1-6][0-9] tokens, 1 at once; steps 1 to [0-9]+$'
    matches 'what is chosen' "$err" '^(1[0-9]|20) epochs of [1-6] sequences; the longest record has [1-6][0-9] tokens$'
    matches 'run.json' "$(<"$work/run/run.json")" '"epochs":(1[0-9]|20)\.'
    run finetune "$model" --data "$work/chats.jsonl" --out "$work/run2" --rank 2 --target 'blk.0.attn_q.weight' -t 1 --epochs 2 -b 2 -c 32
    same '--epochs' "$code" 0
    same '--epochs: its steps' "$(wc -l <"$work/run2/log.jsonl")" 6
    run finetune "$model" --data d --out o --epochs 2 --steps 3
    same '--epochs and --steps' "$code" 2
    matches '--epochs and --steps' "$err" '--steps 3 and --epochs 2: only one of them'
}

# A hundred records: five are held out and measured once an epoch, and again when the run goes on; --val-split 0 holds out none, and
# of thirty none is.
test_split() {
    local i
    for i in {1..100}; do printf '{"prompt": "Number %s is", "completion": " a fish."}\n' "$i"; done >"$work/hundred.jsonl"
    tune() { run finetune "$model" --data "$work/hundred.jsonl" --rank 2 --target 'blk.0.attn_q.weight' -t 1 "$@"; }
    tune --out "$work/split" --epochs 2
    same 'a split' "$code" 0
    matches 'a split' "$err" '^validation: 5 of 100 records, held out and not learned \(val_split 0\.05\); the weights in the end are the last'
    same 'a split: evaluations' "$(grep -c val_loss "$work/split/log.jsonl")" 2
    tune --out "$work/split" --epochs 3 --resume
    same 'a split goes on' "$code" 0
    [ "$(grep -c val_loss "$work/split/log.jsonl")" -gt 2 ] || fail 'a split goes on: nothing more was measured'
    tune --out "$work/split" --resume --val-split 0.2
    same 'another split' "$code" 1
    matches 'another split' "$err" "the checkpoint's val_split is 0.05"
    tune --out "$work/split" --resume --val "$work/hundred.jsonl"
    matches 'a split and --val' "$err" "measures the loss on records that it holds out \\(val_split 0.05\\): it goes on without"
    tune --out "$work/none" --epochs 1 --val-split 0
    same '--val-split 0' "$code" 0
    same '--val-split 0' "$(grep -c val_loss "$work/none/log.jsonl")" 0
    tune --out "$work/o" --val "$work/hundred.jsonl" --val-split 0.2
    same '--val and --val-split' "$code" 2
    matches '--val and --val-split' "$err" "--val-split 0.2: what is measured is --val's"
    head -30 "$work/hundred.jsonl" >"$work/thirty.jsonl"
    run finetune "$model" --data "$work/thirty.jsonl" --out "$work/few" --rank 2 --target 'blk.0.attn_q.weight' -t 1 -n 1
    matches 'thirty' "$err" '^validation: none: of fewer than 100 records none is held out$'
    printf 'the cat sees the house' >"$work/text.txt"
    run finetune "$model" --data "$work/text.txt" --out "$work/text" --rank 2 --target 'blk.0.attn_q.weight' -t 1 -n 1
    matches 'text' "$err" '^validation: none: of text nothing is held out, it takes data of its own$'
}

# How long it will take is said once, before anybody has waited; where that is long, it is a warning with what takes less. In a
# pipe there are lines that show life.
test_time() {
    local pid i
    run finetune "$model" --data "$work/chats.jsonl" --out "$work/time" --rank 2 --target 'blk.0.attn_q.weight' -t 1 -n 10
    same 'an estimate' "$(grep -cE '^about [0-9]+ s for the [0-9]+ steps that are left$' "$work/err")" 1
    TREADLE_PROGRESS_SECONDS=0 run finetune "$model" --data "$work/chats.jsonl" --out "$work/life" --rank 2 \
        --target 'blk.0.attn_q.weight' -t 1 -n 10
    same 'lines in a pipe' "$(grep -cE '^step [0-9]+/10  loss [0-9.]+  lr [0-9.e-]+  [0-9]+ tok/s  0:00:[0-9]+ left$' "$work/err")" 10
    "$program" finetune "$model" --data "$work/chats.jsonl" --out "$work/long" --rank 2 --target 'blk.0.attn_q.weight' -t 1 \
        -n 2147483647 2>"$work/err" </dev/null &
    pid=$!
    for ((i = 0; i < 600; i++)); do
        grep -q 'warning: about' "$work/err" && break
        sleep 0.1
    done
    kill -INT "$pid"
    wait "$pid"
    same 'a long run' "$?" 130
    matches 'a long run' "$(<"$work/err")" '^treadle: warning: about [0-9]+ h [0-9]{2} min for the [0-9]+ steps that are left, of [0-9]+ tokens each: fewer --epochs'
    same 'a long run: said once' "$(grep -c 'steps that are left' "$work/err")" 1
}

test_sample() {
    run finetune "$model" --data "$work/hundred.jsonl" --out "$work/sample" --rank 2 --target 'blk.0.attn_q.weight' -t 1 --epochs 2 \
        --sample "Number 4 is"
    same '--sample' "$code" 0
    same '--sample: at each evaluation' "$(grep -c '^  sample: ' "$work/err")" 2
    same '--sample: in the log' "$(grep -c '"val_loss":[0-9.]*,"sample":"' "$work/sample/log.jsonl")" 2
}

# A base in blocks with the run's adapter is the run's merged model to the bit; what it costs is said.
test_lora() {
    local dir
    "$program" logits "$model" -p 'The captain' -o "$work/base.npy" 2>/dev/null
    "$program" logits "$work/sample/model.gguf" -p 'The captain' -o "$work/merged.npy" 2>/dev/null
    for dir in "$work/sample" "$work/sample/adapter"; do
        run logits "$model" --lora "$dir" -p 'The captain' -o "$work/lora.npy"
        same "--lora $dir" "$code" 0
        matches "--lora $dir" "$err" '^adapter: added to 1 matrix, which is now F16 and takes 0\.[0-9] MB$'
        cmp -s "$work/lora.npy" "$work/merged.npy" || fail "--lora $dir is not the merged model"
    done
    cmp -s "$work/lora.npy" "$work/base.npy" && fail "the adapter changes nothing"
    run logits "$work/sample" -p 'The captain' -o "$work/run.npy"
    same 'the directory of a run as MODEL' "$code" 0
    cmp -s "$work/run.npy" "$work/merged.npy" || fail 'the directory of a run is not its model'
    run run "$work/sample" --lora "$work/sample" -p x -n 1
    matches '--lora on top of what has it' "$err" "warning: adapter: it was made for '.*novelist-7m-q8_0.gguf', and is added to '.*/sample'"
    run run "$model" --lora "$work" -p x -n 1
    same '--lora without one' "$code" 1
    matches '--lora without one' "$err" "nor its directory 'adapter' has an adapter_config.json"
    run run "$model" --lora "$work/sample" -p x -n 1 -q
    same 'run --lora -q' "$code$err" 0
}

test_options
test_defaults
test_split
test_time
test_sample
test_lora
[ "$failed" = 0 ] || exit 1
