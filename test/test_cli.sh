#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program from outside: exit codes, messages, what is on stdout and what is not, files, pipes, Ctrl-C.
# Parts whose models are absent are left out and named.
#   test_cli.sh PROGRAM REPO
set -uo pipefail
program=$1 repo=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
passed=0 failed=0
tiny=$repo/test/data/hf-tiny/llama       # no tokenizer
novelist=$repo/models/novelist-7m-q8_0.gguf

[ -x "$program" ] || { echo "cli: $program is no program" >&2; exit 1; }
pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    echo "cli: failed: $*" >&2
}
same() { # what, got, expected
    if [ "$2" = "$3" ]; then pass; else fail "$1: got '$2', expected '$3'"; fi
}
matches() { # what, text, extended regular expression
    if grep -qE -- "$3" <<<"$2"; then pass; else fail "$1: '$2' does not match '$3'"; fi
}
# Runs the program: $code, and stdout and stderr in files and (without NULs and last newlines) variables.
run() {
    "$program" "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    out=$(tr -d '\0' <"$work/out") err=$(<"$work/err")
}
# The exit code is $1, stderr matches $2, stdout is empty.
refused() {
    local expected=$1 pattern=$2
    shift 2
    run "$@"
    same "exit code of '$*'" "$code" "$expected"
    matches "stderr of '$*'" "$err" "$pattern"
    same "stdout of '$*'" "$out" ""
}
skip() { echo "cli: skipped: $*"; }

test_usage() {
    refused 2 'no command'
    refused 2 "'frobnicate': no such command" frobnicate
    local command
    for command in run chat info plan tokenize detokenize logits perplexity eval finetune bench; do
        run "$command" --help
        same "$command --help" "$code" 0
        matches "$command --help" "$out" "^usage: treadle $command "
        run help "$command"
        matches "help $command" "$out" "^usage: treadle $command "
        refused 2 "treadle: $command: unknown option '--bogus'" "$command" m --bogus
        refused 2 "treadle: $command: MODEL is missing" "$command"
    done
    for command in help --help -h; do
        run "$command"
        same "$command" "$code" 0
        matches "$command" "$out" '^  perplexity '
    done
    for command in version --version; do
        run "$command"
        matches "$command" "$out" '^treadle [0-9]+\.[0-9]+\.[0-9]+$'
    done
    refused 2 'version: .x.: unexpected argument' version x
    refused 2 'run: .c.: unexpected argument: the text is .b.' run a b c
    refused 2 'info: .b.: unexpected argument: the model is .a.' info a b
    refused 2 'run: -n: its value N is missing' run m -n
    refused 2 "run: -n: '5x': a whole number from 0 to 2147483647 expected" run m -n 5x
    refused 2 "run: -n: '': a whole number" run m -n ''
    refused 2 "run: --predict=-1: '-1': a whole number" run m --predict=-1
    refused 2 "run: -n: '99999999999999999999': a whole number" run m -n 99999999999999999999
    refused 2 "run: --seed: '-1': a whole number from 0" run m --seed -1
    refused 2 "run: --seed: '18446744073709551616'" run m --seed 18446744073709551616
    refused 2 "run: --temp: 'nan': a number from 0 to 1000 expected" run m --temp nan
    refused 2 "run: --top-p: '1.5': a number from" run m --top-p 1.5
    refused 2 "run: --ids: 'x,3': whole numbers" run m --ids 1,x,3
    refused 2 "run: --ids: '-2': whole numbers" run m --ids 1,-2
    refused 2 "run: --precision: 'f16': one of auto|f32 expected" run m --precision f16
    refused 2 "run: --threads: '257': a whole number from 1 to 256" run m --threads 257
    refused 2 "run: --echo=1: takes no value" run m --echo=1
    refused 2 'run: no prompt' run m
    refused 2 'run: more than one of' run m -p x --ids 1
    refused 2 'run: --bos and --no-bos contradict' run m -p x --bos --no-bos
    refused 2 'run: --json goes with neither' run m -p x --json --echo
    refused 2 'logits: --output FILE is missing' logits m --ids 1
    refused 2 'perplexity: --file FILE is missing' perplexity m
    refused 2 'eval: --data FILE is missing' eval m
    refused 2 'one of --from MODEL, --config FILE and --size NAME' train --data x --out y
    refused 2 'train: --data FILE is missing' train --from m --out y
    refused 2 'finetune: --out DIR is missing' finetune m --data x
    refused 2 "eval: --task: 'x': one of" eval m --data d --task x
    refused 2 "bench: -o: 'xml': one of" bench -m m -o xml
    refused 2 "detokenize: '12x': token ids expected" detokenize m 12x
}

test_bad_models() {
    : >"$work/empty.gguf"
    printf 'GGUF' >"$work/short.gguf"
    head -c 4096 /dev/urandom >"$work/noise.gguf"
    mkdir -p "$work/dir"
    mkfifo "$work/fifo.gguf"
    local path command
    for path in missing.gguf empty.gguf short.gguf noise.gguf dir fifo.gguf; do
        for command in info tokenize; do
            refused 1 "^treadle: .*" "$command" "$work/$path"
        done
        refused 1 "^treadle: " run "$work/$path" -p x
    done
    run info "$work/missing.gguf"
    matches 'the message names the file' "$err" 'missing\.gguf'
    run info "$work/fifo.gguf"
    matches 'the message names the FIFO' "$err" 'fifo\.gguf'
    refused 2 '^treadle: ' info "$tiny" --device abacus
    refused 2 '^treadle: ' info "$tiny" --isa mmx
}

test_stdout() {
    local codes
    "$program" help >&- 2>"$work/err"
    same 'closed stdout' "$?" 1
    matches 'closed stdout' "$(<"$work/err")" '^treadle: stdout: '
    if [ -w /dev/full ]; then
        "$program" help >/dev/full 2>"$work/err"
        same 'full stdout' "$?" 1
        matches 'full stdout' "$(<"$work/err")" '^treadle: stdout: No space left'
    fi
    "$program" run "$tiny" --ids 1,2,3 --print-ids -n 100000 -c 200000 2>"$work/err" | head -c 20 >/dev/null
    codes=("${PIPESTATUS[@]}")
    same 'broken pipe' "${codes[0]}" 1
    same 'broken pipe is quiet' "$(grep -vc 'warning: 200000 positions' "$work/err")" 0
}

test_ids_without_tokenizer() {
    run run "$tiny" --ids 105,116,158,23,27 -n 24 --temp 0 --print-ids --precision f32
    same 'greedy ids: exit code' "$code" 0
    same 'greedy ids' "$out" \
        '175 63 98 30 231 134 208 134 208 28 134 208 95 42 165 40 208 28 134 240 98 36 144 98'
    matches 'speed' "$err" '^prompt 5 tokens, [0-9]+ tok/s; 24 new tokens, [0-9]+ tok/s; load [0-9.]+ s$'
    local greedy=$out
    run run "$tiny" --ids 105,116,158,23,27 -n 24 --temp 0 --print-ids --precision f32 --echo -q
    same 'echoed ids' "$out" "105 116 158 23 27 $greedy"
    same '--quiet' "$err" ''
    run run --temp=0 -n24 --ids 1 --print-ids -- "$tiny"
    same 'values are not glued to short names' "$code" 2
    run run --temp=0 -n 2 --ids 105,116 --ids 158 --print-ids -- "$tiny"
    same 'a list given twice, -- before the model' "$code" 0
    matches 'a list given twice' "$err" 'prompt 3 tokens'
    run run "$tiny" --ids 1,2 -n 5 --print-ids --seed 3 --temp 1.5
    local first=$out
    same 'five ids' "$(wc -w <<<"$first")" 5
    run run "$tiny" --ids 1,2 -n 5 --print-ids --seed 3 --temp 1.5 --threads 1 --batch 1
    same 'the same seed' "$out" "$first"
    matches 'the seed is printed' "$err" '; seed 3$'
    run run "$tiny" --ids 1,2 -n 40 --print-ids --seed 4 --temp 1.5
    if [[ $out == "$first"* ]]; then fail 'another seed gave the same ids'; else pass; fi
    refused 1 'no tokenizer' run "$tiny" --ids 1,2
    refused 1 'no tokenizer' run "$tiny" -p hello
    refused 1 'no tokenizer' chat "$tiny"
    refused 1 'id 256, expected 0 to 255' run "$tiny" --ids 256 --print-ids
    refused 1 'do not fit the context of 2' run "$tiny" --ids 1,2,3 --print-ids -c 2
    run run "$tiny" --ids 1,2,3 --print-ids -c 6 -n 10 --temp 0
    same 'the context is full before -n' "$code" 1
    matches 'the context is full before -n' "$err" '6 tokens of 6'
    same 'what was made is printed' "$(wc -w <<<"$out")" 3
    run run "$tiny" --ids 1,2,3 --print-ids -c 6 --ignore-eos
    same 'no -n: the context is the end' "$code" 0
    run run "$tiny" --ids 1,2,3 --json -n 3 --temp 0
    matches 'run --json' "$out" '^\{"text": "", "ids": \[[0-9]+, [0-9]+, [0-9]+\], "end": "length", "n_prompt": 3,'
}

test_info_and_plan() {
    run info "$tiny"
    matches 'info' "$out" '^architecture +llama$'
    run info "$tiny" --json
    matches 'info --json' "$out" '"arch": "llama".*"n_vocab": 256.*"tokenizer": null'
    run plan "$tiny"
    same 'plan' "$code" 0
    matches 'plan' "$out" 'rms_norm'
    same 'plan is silent on stderr' "$err" ''
    refused 2 "plan: -m 'x': '$tiny' is given already" plan "$tiny" -m x
}

test_logits() {
    run logits "$tiny" --ids 105,116,158,23,27 -o "$work/l.npy"
    same 'logits' "$code" 0
    same 'logits: nothing on stdout' "$out" ''
    same 'npy magic' "$(head -c 8 "$work/l.npy" | od -An -tx1 | tr -d ' \n')" 934e554d50590100
    same 'npy header size' "$(od -An -tu2 -j8 -N2 "$work/l.npy" | tr -d ' ')" 118
    matches 'npy header' "$(head -c 128 "$work/l.npy" | tail -c 118 | tr -d '\0')" \
        "^\{'descr': '<f4', 'fortran_order': False, 'shape': \(5, 256\), \} *$"
    same 'npy size' "$(stat -c %s "$work/l.npy")" $((128 + 5 * 256 * 4))
    "$program" logits "$tiny" --ids 105,116,158,23,27 -o - >"$work/l2.npy"
    cmp -s "$work/l.npy" "$work/l2.npy"
    same 'logits to stdout' "$?" 0
    local ids
    ids=$(seq -s, 0 199)
    run logits "$tiny" --ids "$ids" -o "$work/l3.npy"
    same 'more positions than are held' "$(stat -c %s "$work/l3.npy")" $((128 + 200 * 256 * 4))
    refused 1 'l4.npy' logits "$tiny" --ids 1 -o "$work/none/l4.npy"
    refused 1 'expected 0 to 255' logits "$tiny" --ids 1,999 -o "$work/l5.npy"
    if [ -e "$work/l5.npy" ]; then fail 'a half-made file stays'; else pass; fi
    if [ -w /dev/full ]; then refused 1 '/dev/full: No space left' logits "$tiny" --ids 1 -o /dev/full; fi
}

test_bench() {
    run bench -m "$tiny" -t 1 -fa 1 -p 8 -n 4 -r 3 -d 0,5 -o json
    same 'bench' "$code" 0
    same 'bench: one object a test' "$(grep -o '"samples_ts": \[' <<<"$out" | wc -l)" 4
    local field
    for field in n_prompt n_gen n_threads n_depth avg_ts stddev_ts avg_ns stddev_ns samples_ts samples_ns model_size \
        model_n_params model_filename model_type test_time; do
        matches "bench: $field" "$out" "\"$field\": "
    done
    matches 'bench: the first test' "$out" '^\[\{.*"n_prompt": 8, "n_gen": 0, "n_depth": 0.*"n_prompt": 0, "n_gen": 4'
    matches 'bench: three samples' "$out" '"samples_ns": \[[0-9]+, [0-9]+, [0-9]+\]'
    run bench "$tiny" -t 1 -p 4,6 -p 8 -n 0 -r 1 -o csv
    same 'bench csv' "$(wc -l <<<"$out")" 4
    run bench -m "$tiny" -t 1,2 -p 0 -n 2 -r 1
    matches 'bench table' "$out" '^\| llama .*\|       2 \|             tg2 \|'
    run bench -m "$tiny" -t 1 -p 0 -n 2,3 -d 4 --n-sequences 1,5 -r 1 -o jsonl
    same 'bench: several sequences' "$code" 0
    same 'bench: sequences by lengths' "$(grep -oE '"n_gen":[0-9]+|"n_sequences":[0-9]+' <<<"$out" | tr -d '\n')" \
        '"n_gen":2"n_sequences":1"n_gen":2"n_sequences":5"n_gen":3"n_sequences":1"n_gen":3"n_sequences":5'
    refused 2 'leave nothing to measure' bench -m "$tiny" -p 0 -n 0 -o json
}

test_trace() {
    local n_ops
    n_ops=$("$program" plan "$tiny" | sed -n 's/^# \([0-9]*\) ops.*/\1/p')
    run run "$tiny" --ids 1,2,3 --print-ids -n 4 -t 1 --temp 0 --ignore-eos --trace "$work/trace.json"
    same 'run --trace' "$code" 0
    same 'run --trace: ids' "$(wc -w <<<"$out")" 4
    # One event an op and step, in valid JSON.
    same 'the trace' "$(python3 -c '
import json, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
fields = {"name", "cat", "ph", "pid", "tid", "ts", "dur", "args"}
assert all(set(e) == fields and e["ph"] == "X" and e["dur"] >= 0 for e in events)
print(len(events), len({(e["args"]["step"], e["args"]["op"]) for e in events}))
' "$work/trace.json" 2>&1)" "$((4 * n_ops)) $((4 * n_ops))"
    refused 1 "--trace: cannot write '$work/none/trace.json'" run "$tiny" --ids 1 --print-ids -n 1 \
        --trace "$work/none/trace.json"
    refused 1 'does not tell when its ops run' run "$tiny" --device null --ids 1 --print-ids -n 1 --trace "$work/no.json"
    if [ -w /dev/full ]; then
        run run "$tiny" --ids 1 --print-ids -n 1 --trace /dev/full
        same '--trace to a full disk' "$code" 1
        matches '--trace to a full disk' "$err" "--trace: cannot write '/dev/full'"
    fi
}

# Waits until a file has something in it, then interrupts.
interrupt_when_written() { # pid, file
    local i
    for ((i = 0; i < 500; i++)); do
        [ -s "$2" ] && break
        sleep 0.02
    done
    kill -INT "$1"
}

test_interrupt() {
    : >"$work/ids"
    "$program" run "$tiny" --ids 1,2,3 --print-ids -c 4000000 --ignore-eos >"$work/ids" 2>"$work/err" &
    local pid=$!
    interrupt_when_written "$pid" "$work/ids"
    wait "$pid"
    same 'Ctrl-C' "$?" 130
    same 'Ctrl-C: the line is ended' "$(tail -c 1 "$work/ids" | od -An -c | tr -d ' ')" '\n'
    matches 'Ctrl-C: speed is shown' "$(<"$work/err")" 'new tokens'
}

test_text() { # model with a tokenizer
    local model=$1 text
    printf 'He said: "caf\xc3\xa9" \xe2\x80\x94 twice.\n\n  Then <|endoftext|>\t\xf0\x9f\x98\x80 1234567.\n' >"$work/text"
    "$program" tokenize "$model" <"$work/text" >"$work/ids"
    same 'tokenize' "$?" 0
    same 'tokenize: one line' "$(wc -l <"$work/ids")" 1
    "$program" detokenize "$model" <"$work/ids" >"$work/back"
    cmp -s "$work/text" "$work/back"
    same 'tokenize | detokenize' "$?" 0
    run tokenize "$model" -f "$work/text"
    same 'tokenize --file' "$out" "$(<"$work/ids")"
    # shellcheck disable=SC2046
    run detokenize "$model" $(<"$work/ids")
    cmp -s "$work/text" "$work/out"
    same 'detokenize from arguments' "$?" 0
    run tokenize "$model" -p 'a b' --json
    matches 'tokenize --json' "$out" '^\{"n": [0-9]+, "ids": \[[0-9, ]+\]\}$'
    run tokenize "$model" --no-bos -p ''
    same 'an empty text' "$out" ''
    printf '1, x 2' | "$program" detokenize "$model" >/dev/null 2>"$work/err"
    same 'ids that are none' "$?" 1
    matches 'ids that are none' "$(<"$work/err")" "byte 3: 'x 2': token ids expected"
    refused 1 'token 99999999, expected 0 to' detokenize "$model" 99999999

    run run "$model" -p 'It was a dark and stormy night' -n 20 --temp 0
    same 'run' "$code" 0
    text=$out
    run run "$model" -p 'It was a dark and stormy night' -n 20 --temp 0 --echo
    same 'run --echo' "$out" "It was a dark and stormy night$text"
    printf 'It was a dark and stormy night' | "$program" run "$model" -f - -n 20 --temp 0 >"$work/out" 2>/dev/null
    same 'the prompt from stdin' "$(<"$work/out")" "$text"
    local word
    word=$(awk '{print $3}' <<<"$text")
    run run "$model" -p 'It was a dark and stormy night' -n 20 --temp 0 --stop "$word" --stop ' never ever '
    same 'run --stop' "$out" "${text%%"$word"*}"
    run run "$model" -p 'Once' -n 5 --json --seed 1
    matches 'run --json' "$out" '"end": "length", "n_prompt": [0-9]+, "n_new": 5, "seed": 1,'
    run logits "$model" -p 'Once upon' -o "$work/t.npy"
    same 'logits of a text' "$code" 0
    local i
    for ((i = 0; i < 40; i++)); do cat "$work/text"; done >"$work/long"
    run perplexity "$model" -f "$work/long" -c 64
    matches 'perplexity' "$out" '^perplexity [0-9.]+ \+/- [0-9.]+$'
    matches 'perplexity: counts' "$err" 'chunks of 64 tokens, [0-9]+ predictions'
    run perplexity "$model" -f "$work/long" -c 64 --chunks 2 --json
    matches 'perplexity --json' "$out" '"n_chunks": 2, "n_ctx": 64, "n_scored": 62,'
    refused 1 'at least 100000 expected' perplexity "$model" -f "$work/long" -c 100000
    refused 1 "$work: " perplexity "$model" -f "$work"
    refused 1 'none.txt: No such file' perplexity "$model" -f "$work/none.txt"
}

test_eval() { # model with a tokenizer
    local model=$1 n_ids
    printf 'It was a dark and stormy night.' >"$work/one.txt"
    n_ids=$("$program" tokenize "$model" -f "$work/one.txt" | wc -w)
    run eval "$model" --data "$work/one.txt"
    matches 'eval' "$out" '^loss [0-9.]+ \+/- [0-9.]+, perplexity [0-9.]+$'
    run eval "$model" --data "$work/one.txt" --json # every id but the first, and the end
    matches 'eval --json' "$out" "\"n_scored\": $n_ids, \"n_windows\": 1,"
    # The same document three times, once in JSONL: the same mean. Windows of 4 lose what stands before them.
    printf '{"text": "It was a dark and stormy night."}\n\n' >"$work/one.jsonl"
    printf 'It was a dark and stormy night.\0It was a dark and stormy night.\0\n\0' >"$work/two.txt"
    local loss=${out%%,\ \"stderr*}
    run eval "$model" --data "$work/one.jsonl" --json
    same 'eval of JSONL' "${out%%,\ \"stderr*}" "$loss"
    run eval "$model" --data "$work/two.txt" --json
    same 'eval of two documents' "${out%%,\ \"stderr*}" "$loss"
    matches 'eval of two documents' "$out" "\"n_scored\": $((2 * n_ids)), \"n_windows\": 1,"
    run eval "$model" --data "$work/two.txt" -c 4 --json
    matches 'eval in windows of 4' "$out" "\"n_scored\": $((2 * n_ids)), \"n_windows\": $(((2 * n_ids + 2 + 3) / 4)),"
    run eval "$model" --data "$work/two.txt" -c 4 --limit 1 --json
    matches 'eval --limit' "$out" '"n_scored": 4, "n_windows": 1,'

    printf '{"text": "%s"}\n' 'I beg your pardon ' 'the purple cow said the moon' >"$work/words.jsonl"
    run eval "$model" --data "$work/words.jsonl" --task last-word
    matches 'eval: last words' "$out" '^accuracy 0.5000 \+/- 0.5000, perplexity [0-9.]+$'
    printf '{"prompt": "It was a dark and stormy", "choices": ["banana", "night"], "answer": %s}\n' 1 0 >"$work/choices.jsonl"
    run eval "$model" --data "$work/choices.jsonl" --task choices
    matches 'eval: choices' "$out" '^accuracy 0.5000 \+/- 0.5000, normalized 0.5000$'
    run eval "$model" --data "$work/choices.jsonl" --task choices --limit 1 --json
    matches 'eval: choices --json' "$out" '"accuracy": 1.0, "stderr": 0.0, "accuracy_norm": 1.0, "n": 1,'

    refused 1 'one.txt:1: ' eval "$model" --data "$work/one.txt" --task choices
    refused 1 'words.jsonl:1: "prompt": a text expected' eval "$model" --data "$work/words.jsonl" --task choices
    refused 1 'choices.jsonl:1: "completion" is missing' eval "$model" --data "$work/choices.jsonl"
    echo '{"text": "word"}' >"$work/word.jsonl"
    refused 1 'word.jsonl:1: "text" has no word before' eval "$model" --data "$work/word.jsonl" --task last-word
    echo '{"prompt": "a", "choices": ["b", "c"], "answer": 2}' >"$work/answer.jsonl"
    refused 1 'answer.jsonl:1: "answer": the number of a choice' eval "$model" --data "$work/answer.jsonl" --task choices
    : >"$work/nothing.txt"
    refused 1 "nothing.txt': the file is empty" eval "$model" --data "$work/nothing.txt"
    refused 1 "none.txt': cannot open: No such file" eval "$model" --data "$work/none.txt"
}

test_train() { # model with a tokenizer
    local model=$1 i
    for ((i = 0; i < 30; i++)); do
        printf 'The cat sees the house today. A dog likes a tree again. One fish follows my friend.\0'
    done >"$work/train.txt"
    cat >"$work/config.json" <<'END'
{"model_type": "llama", "vocab_size": 4096, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
 "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
 "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": true}
END
    local tokenizer=$repo/../shared/data/models/novelist-7m-tokenizer.json
    if [ -f "$tokenizer" ]; then
        run train --config "$work/config.json" --tokenizer "$tokenizer" --data "$work/train.txt" --val "$work/train.txt" \
            --out "$work/run" --steps 12 --batch 4 --seq 32 --lr 0.01 --val-every 6 --seed 1
        same 'train' "$code" 0
        matches 'train: its curve' "$(head -1 "$work/run/log.jsonl") $(tail -1 "$work/run/log.jsonl")" \
            '^\{"step":1,"loss":8\.[0-9]+,"lr":.*"tokens_per_s":.*\{"step":12,"loss":[0-7]\.[0-9]+,.*"val_loss":'
        same 'train: files' "$(cd "$work/run" && ls loss.html model.gguf checkpoint.tdl best.tdl)" \
            "$(printf 'best.tdl\ncheckpoint.tdl\nloss.html\nmodel.gguf')"
        run run "$work/run/model.gguf" -p 'The cat' -n 3 --temp 0
        same 'train: the model runs' "$code" 0
        refused 1 'holds a run already' train --config "$work/config.json" --tokenizer "$tokenizer" --data "$work/train.txt" \
            --out "$work/run" --steps 12
        run train --config "$work/config.json" --tokenizer "$tokenizer" --data "$work/train.txt" --out "$work/run" \
            --steps 14 --batch 4 --seq 32 --lr 0.01 --seed 1 --resume
        matches 'train --resume' "$err" 'steps 13 to 14'
    else
        skip 'train from random weights: no tokenizer.json'
    fi
    printf '%s\n' '{"prompt": "Who are you?", "completion": " I am a captain, and my ship is at sea."}' >"$work/chat.jsonl"
    run finetune "$model" --data "$work/chat.jsonl" --out "$work/tuned" --steps 6 --batch 2 --seq 32 --lr 5e-3 --rank 4
    same 'finetune' "$code" 0
    same 'finetune: the adapter' "$(cd "$work/tuned/adapter" && ls)" \
        "$(printf 'adapter_config.json\nadapter_model.safetensors')"
    run train --from "$model" --data "$work/train.txt" --out "$work/plan" --batch 2 --seq 32 --plan
    matches 'train --plan' "$out" '^# training: weights [0-9]+, gradients [0-9]+, moments [0-9]+, activations [0-9]+ bytes'
    [ ! -e "$work/plan" ] || fail 'train --plan leaves a directory'
    refused 1 'is 1000, the model' finetune "$model" --data "$work/train.txt" --out "$work/far" --seq 1000
    refused 1 'fits no tensor' train --from "$model" --data "$work/train.txt" --out "$work/frozen" --freeze 'blk.99.*'
    : >"$work/empty.txt"
    refused 1 'empty' train --from "$model" --data "$work/empty.txt" --out "$work/none"
}

test_chat() { # model with a tokenizer
    local model=$1
    printf 'Hello there.\n\n  \nAnd again, <|im_end|>\n/reset\nOnce more\n/quit\nnot read\n' |
        "$program" chat "$model" -n 4 --temp 0 --system 'You are brief.' >"$work/out" 2>"$work/err"
    same 'chat' "$?" 0
    if [ "$(wc -l <"$work/out")" -ge 3 ]; then pass; else fail 'chat: fewer lines than answers'; fi
    printf 'Hello\n' | "$program" chat "$model" -n 4 -c 2 >"$work/out" 2>"$work/err"
    same 'chat: a message that does not fit' "$?" 1
    matches 'chat: a message that does not fit' "$(<"$work/err")" 'do not fit the context of 2'
    # Ctrl-C stops the answer; the next message is still read, and Ctrl-C at the prompt ends.
    mkfifo "$work/messages"
    : >"$work/out"
    "$program" chat "$model" -c 100000 --ignore-eos <"$work/messages" >"$work/out" 2>"$work/err" &
    local pid=$!
    exec 7>"$work/messages"
    printf 'Tell me everything\n' >&7
    interrupt_when_written "$pid" "$work/out"
    sleep 0.3
    if kill -0 "$pid" 2>/dev/null; then pass; else fail 'chat: Ctrl-C in an answer ended the program'; fi
    kill -INT "$pid"
    wait "$pid"
    same 'chat: Ctrl-C at the prompt' "$?" 130
    exec 7>&-
}

test_usage
if [ -e "$tiny/config.json" ]; then
    test_bad_models
    test_stdout
    test_ids_without_tokenizer
    test_info_and_plan
    test_logits
    test_bench
    test_trace
    test_interrupt
else
    skip "models without tokenizers: $tiny is absent"
fi
if [ -e "$novelist" ]; then
    test_text "$novelist"
    test_eval "$novelist"
    test_train "$novelist"
    test_chat "$novelist"
else
    skip "texts and chat: $novelist is absent"
fi
echo "cli: $passed passed, $failed failed"
[ "$failed" = 0 ]
