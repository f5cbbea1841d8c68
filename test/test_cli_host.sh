#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program and its host: options that contradict or would be ignored, output that is always JSON or fit for a terminal, disks
# that are full, files that may not grow, contexts beyond what was learned, and a system that lacks what the build needs.
#   test_cli_host.sh PROGRAM REPO
set -uo pipefail
program=$1 repo=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
passed=0 failed=0
tiny=$repo/test/data/hf-tiny/llama # no tokenizer
novelist=$repo/models/novelist-7m-q8_0.gguf

fail() {
    failed=$((failed + 1))
    echo "cli_host: failed: $*" >&2
}
check() { # what, condition as a command
    local what=$1
    shift
    if "$@"; then passed=$((passed + 1)); else fail "$what: $out | $err"; fi
}
run() {
    "$program" "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    out=$(tr -d '\0' <"$work/out") err=$(<"$work/err")
}
refused() { # exit code, pattern of stderr, arguments
    local expected=$1 pattern=$2
    shift 2
    run "$@"
    check "exit code of '$*' is $code" [ "$code" = "$expected" ]
    check "stderr of '$*'" grep -qE -- "$pattern" "$work/err"
    check "stdout of '$*'" [ ! -s "$work/out" ]
}

# Every option of every command: an empty value, twice, absurd. A model that is not there would be the next error, so that
# what is refused with 2 is refused for the option.
test_every_option() {
    local command option value
    local -a words
    for command in $("$program" help | sed -nE '/^Commands:/,/^$/s/^  ([a-z]+) .*/\1/p'); do
        case $command in
        help | version) continue ;;
        tokenizer) words=(tokenizer train) ;;
        *) words=("$command") ;;
        esac
        "$program" "$command" --help | sed -nE 's/^ +(-[a-z0-9]+, )?(--[a-z0-9-]+)( ([^ ].*))?$/\2 \4/p' | sed 's/   .*//' >"$work/options"
        while read -r option value; do
            value=${value%% *}
            case $value in *[a-z]* | '') [[ $value == *'|'* ]] || value= ;; esac
            if [ -z "$value" ]; then # a switch
                refused 2 "$option=1: takes no value" "${words[@]}" "$option=1"
                continue
            fi
            case $option in --prompt | --system) ;; *) refused 2 "$command: $option" "${words[@]}" "$option" '' ;; esac
            case "$option $value" in # those that add up
            --data* | --val\ * | --stop* | --freeze* | --target* | --special* | --ids* | --n-* | "--threads N")
                [ "$command" = bench ] || [ "$option" != --threads ] || refused 2 '' "${words[@]}" "$option" 1 "$option" 1 ;;
            *'|'*) refused 2 "$command: $option: given twice" "${words[@]}" "$option" "${value%%|*}" "$option" "${value%%|*}" ;;
            *' X' | *' P' | *' T') refused 2 "$command: $option: given twice" "${words[@]}" "$option" 0.5 "$option" 0.5 ;;
            *) refused 2 "$command: $option.*(given twice|is given already)" "${words[@]}" "$option" 8 "$option" 8 ;;
            esac
            case $value in # absurd
            N | K | S | X | T | P | 1,2,3) refused 2 "$command: $option: 'many'" "${words[@]}" "$option" many ;;
            *'|'*) refused 2 "$command: $option: 'many': one of" "${words[@]}" "$option" many ;;
            esac
            case $value in N | K | X | T | P) refused 2 "$command: $option: '-99999999999'" "${words[@]}" "$option" -99999999999 ;; esac
        done <"$work/options"
        check "options of $command" [ -s "$work/options" ]
    done
}

test_contradictions() {
    refused 2 "run: -p: given twice" run m text -p text
    refused 2 "'b': unexpected argument: the text is 'a'" run m a b
    refused 2 "run: MODEL is empty" run '' text
    refused 2 "run: -m 'b': 'a' is given already" run a -m b
    refused 2 "unexpected argument: the model is 'a'" chat a b
    refused 2 "finetune: --from is of treadle train" finetune a --from b --data d --out o
    refused 2 "bos, --no-bos and --special are for text" run m --ids 1 --bos
    refused 2 "bos, --no-bos and --special are for text" logits m --ids 1 --special -o x
    refused 2 "whole numbers" run m --ids ''
    refused 2 "the prompt is empty, and the model's texts begin" run "$novelist" -p ''
    refused 2 "the prompt is empty, and --no-bos leaves it so" run "$novelist" -p '' --no-bos
    refused 2 "the prompt is empty" logits "$novelist" -p '' -o "$work/l.npy"
    : >"$work/empty"
    refused 1 "$work/empty: the prompt is empty" run "$novelist" -f "$work/empty"
    refused 2 "isa_max is 'foo', expected plain, avx2" run "$novelist" -p x --isa foo
    refused 2 "--webgpu-library: of no use without --device webgpu" run "$novelist" -p x --webgpu-library x
    refused 2 "--isa: of no use with --device null" run "$novelist" -p x --isa plain --device null
    refused 2 "-p 0 and -n 0 leave nothing to measure" bench "$tiny" -p 0 -n 0
    refused 2 "--n-sequences is of tests that generate" bench "$tiny" -p 4 -n 0 --n-sequences 2
    run bench "$tiny" -p 4 -n 0 -fa 0 -r 1
    check "bench -fa 0 says that it is always on" grep -q 'always the flash kind' "$work/err"
    refused 2 "only one of them can be the model" train --config c --from m --data d --out o
    refused 2 "one of --from MODEL, --config FILE and --size NAME is needed" train --data d --out o
    refused 2 "'m' has a tokenizer of its own" train --from m --tokenizer t --data d --out o
    refused 2 "finetune: --tokenizer is of treadle train" finetune m --tokenizer t --data d --out o
    refused 2 "--alpha is of adapters" train --from m --alpha 4 --data d --out o
    refused 2 "--target is of adapters" finetune m --rank 0 --target 'blk.*' --data d --out o
    refused 2 "--decay-steps is of --schedule wsd" finetune m --decay-steps 4 --data d --out o
    refused 2 "--lr-min: --schedule constant never" finetune m --lr-min 1e-6 --schedule constant --data d --out o
    refused 2 "help: 'x': unexpected argument" help run x
    refused 2 "doctor: 'b': the model is 'a' already" doctor -m a b
    refused 2 "--ctx is of a model" doctor -c 4
}

test_positional_prompt() {
    run run "$novelist" 'It was a dark' -n 6 --temp 0 -q
    local text=$out
    check 'run MODEL TEXT' [ "$code" = 0 ]
    run run "$novelist" -p 'It was a dark' -n 6 --temp 0 -q
    check 'run MODEL TEXT is run MODEL -p TEXT' [ "$out" = "$text" ]
}

# A GGUF file whose name has escape sequences, a newline, a right-to-left override, and bytes that are no UTF-8.
test_names() {
    python3 - "$novelist" "$work/name.gguf" <<'PYTHON' || fail 'no file with a bad name'
import struct, sys
data = open(sys.argv[1], "rb").read()
key, value = b"general.name", b"\x1b[31mred\x07\nforged  line\xff\xe2\x80\xae\xc2\x9b1m\"\\"
entry = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(value)) + value
# The new entry is as long as the alignment, so that the tensors' data stays aligned: padded by a second key.
pad_key = b"general.description"
rest = -(len(entry) + 8 + len(pad_key) + 12) % 32
entry += struct.pack("<Q", len(pad_key)) + pad_key + struct.pack("<IQ", 8, rest) + b" " * rest
n_meta, = struct.unpack_from("<Q", data, 16)
open(sys.argv[2], "wb").write(data[:16] + struct.pack("<Q", n_meta + 2) + entry + data[24:])
PYTHON
    run info "$work/name.gguf"
    check 'info of a bad name' [ "$code" = 0 ]
    local bad=$'\xef\xbf\xbd' # U+FFFD
    check 'info: the name is one line, without control characters' \
        grep -qxF "name          ${bad}[31mred$bad${bad}forged  line$bad$bad${bad}1m\"\\" "$work/out"
    run info "$work/name.gguf" --json
    check 'info --json of a bad name' python3 -c '
import json, sys
name = json.load(open(sys.argv[1], encoding="utf-8"))["name"]
assert name == "\x1b[31mred\x07\nforged  line\ufffd\u202e\x9b1m\"\\", repr(name)' "$work/out"
    run $'\x1b[31mfrobnicate'
    check 'a command with an escape sequence is not echoed raw' [ -z "$(tr -d '\n -~' <"$work/err" | tr -d '\357\277\275')" ]
}

# Every command that has --json, and bench's formats: valid JSON, whatever is in it.
test_json() {
    printf 'It was a dark and stormy night, and the rain fell in torrents.\n%.0s' 1 2 3 4 5 6 7 8 >"$work/text.txt"
    printf '{"prompt": "A", "choices": ["b", "c"], "answer": 0}\n' >"$work/choices.jsonl"
    printf '{"text": "the old man"}\n' >"$work/words.jsonl"
    local odd
    odd=$work/$(printf 'odd\xff\x1b"name').gguf # a path that is no UTF-8
    cp "$novelist" "$odd"
    local -a lines=(
        "info $novelist --json" "devices --json" "tokenizer train --data $work/text.txt --vocab-size 300 -o $work/tokenizer.json --json"
        "doctor --json" "doctor $novelist --json" "tokenize $novelist -p x --json"
        "run $novelist -p A -n 3 -q --json" "run $novelist -p A -n 3 -q --json --seed 18446744073709551615 --temp 99"
        "run $tiny --ids 1 -n 3 -q --json" "perplexity $novelist -f $work/text.txt -c 16 --json"
        "eval $novelist --data $work/text.txt -c 16 --json" "eval $novelist --data $work/words.jsonl --task last-word --json"
        "eval $novelist --data $work/choices.jsonl --task choices --json" "bench $tiny -p 2 -n 2 -r 1 -o json"
        "bench $tiny -p 2 -n 2 -r 1 -o jsonl")
    local line
    # shellcheck disable=SC2086
    for line in "${lines[@]}"; do
        run $line
        check "$line" [ "$code" = 0 ]
        check "$line: JSON" python3 -c '
import json, sys
def refuse(name): raise ValueError(name)
for line in open(sys.argv[1], encoding="utf-8"): json.loads(line, parse_constant=refuse)' "$work/out"
    done
    # That none is forgotten: each command whose help names --json is above.
    local command
    for command in $("$program" help | sed -nE '/^Commands:/,/^$/s/^  ([a-z]+) .*/\1/p'); do
        if [ "$command" = help ] || ! "$program" "$command" --help | grep -qE '^ +--json'; then continue; fi
        check "$command --json is tried" grep -qE "^$command .*--json" <(printf '%s\n' "${lines[@]}")
    done
    run run "$novelist" -p A -n 3 -q --json --seed 18446744073709551615
    check 'a seed that no JSON integer holds' grep -q '"seed": "18446744073709551615"' "$work/out"
    run bench "$odd" -p 2 -n 0 -r 1 -o jsonl
    check 'a path that is no UTF-8' python3 -c 'import json, sys; json.load(open(sys.argv[1], encoding="utf-8"))' "$work/out"
}

test_disks() {
    local command
    if [ -w /dev/full ]; then
        for command in "run $novelist -p A -n 3" "run $novelist -p A -n 3 --json" "run $tiny --ids 1 --print-ids -n 3" \
            "chat $novelist -n 3" "info $tiny" "info $tiny --json" "plan $tiny" "tokenize $novelist -p x" "detokenize $novelist 5" \
            "logits $tiny --ids 1,2 -o -" "perplexity $novelist -f $work/text.txt -c 16" "eval $novelist --data $work/text.txt -c 16" \
            "bench $tiny -p 2 -n 0 -r 1" "bench $tiny -p 2 -n 0 -r 1 -o json" "bench $tiny -p 2 -n 0 -r 1 -o csv" devices doctor \
            "doctor --json" version help "train --from $novelist --data $work/text.txt --out $work/plan --batch 1 --seq 16 --plan"; do
            # shellcheck disable=SC2086
            echo hello | "$program" $command >/dev/full 2>"$work/err"
            code=$? out='' err=$(<"$work/err")
            check "$command >/dev/full: $code" [ "$code" = 1 ]
            check "$command >/dev/full" grep -q '^treadle: stdout: No space left on device$' "$work/err"
        done
    fi
    # A limit on the size of files is an error with a message, not a signal.
    (ulimit -f 1 && "$program" logits "$tiny" --ids 1,2,3,4,5,6,7,8,9 -o "$work/l.npy" 2>"$work/err")
    code=$? out='' err=$(<"$work/err")
    check "ulimit -f: $code" [ "$code" = 1 ]
    check 'ulimit -f' grep -q "^treadle: $work/l.npy: File too large$" "$work/err"
    check 'ulimit -f: the half-made file is gone' [ ! -e "$work/l.npy" ]
    (ulimit -f 1 && "$program" train --from "$novelist" --data "$work/text.txt" --out "$work/run" --batch 1 --seq 16 --steps 1 2>"$work/err")
    code=$? err=$(<"$work/err")
    check "train under ulimit -f: $code" [ "$code" = 1 ]
    check 'train under ulimit -f' grep -q 'File too large' "$work/err"
    # A reader that leaves is no error worth a message.
    "$program" logits "$novelist" -f "$work/text.txt" -o - 2>"$work/err" | head -c 1 >/dev/null
    check 'logits | head' [ ! -s "$work/err" ]
    "$program" plan "$novelist" 2>"$work/err" | head -n 1 >/dev/null
    check 'plan | head' [ ! -s "$work/err" ]
}

# The model was trained on 512 positions. Each command says so, with both numbers, and goes on.
test_beyond_context() {
    local i warning='^treadle: warning: [0-9]+ positions, and the model was trained on 512'
    for ((i = 0; i < 120; i++)); do printf 'the old man went to the sea. '; done >"$work/long.txt"
    head -c 60 "$work/long.txt" >"$work/short.txt"
    local command
    for command in "perplexity $novelist -f $work/long.txt -c 600 --chunks 1" "eval $novelist --data $work/long.txt -c 600 --limit 1" \
        "logits $novelist -f $work/long.txt -o $work/l.npy" "run $novelist -f $work/long.txt -c 1024 -n 1" \
        "bench $novelist -p 520 -n 0 -r 1 --no-warmup" "chat $novelist -c 513" "info $novelist -c 513" "doctor $novelist -c 513"; do
        # shellcheck disable=SC2086
        run $command
        check "$command: $code" [ "$code" = 0 ]
        check "$command: a warning" grep -qE "$warning" "$work/err"
        check "$command: one warning" [ "$(grep -c 'warning: .* positions' "$work/err")" = 1 ]
    done
    for command in "perplexity $novelist -f $work/long.txt --chunks 1" "eval $novelist --data $work/long.txt --limit 1" \
        "logits $novelist -f $work/short.txt -o $work/l.npy" "run $novelist -f $work/short.txt -c 512 -n 1" "chat $novelist" \
        "bench $novelist -p 512 -n 0 -r 1 --no-warmup" "info $novelist" "doctor $novelist"; do
        # shellcheck disable=SC2086
        run $command
        check "$command: no warning" bash -c "! grep -q 'warning: .* positions' '$work/err'"
    done
    run run "$novelist" -f "$work/long.txt" -n 1
    check 'a prompt that does not fit says what to do' grep -q -- '--ctx sets .*trained on 512 positions' "$work/err"
    refused 1 'is 600, the model.s context is 512' finetune "$novelist" --data "$work/long.txt" --out "$work/far" --seq 600
}

# Not on a terminal: a line now and then, here each.
test_progress() {
    TREADLE_PROGRESS_SECONDS=0 run logits "$novelist" -f "$work/long.txt" -o "$work/l.npy"
    check 'logits: progress' grep -qE '^logits 64/[0-9]+$' "$work/err"
    TREADLE_PROGRESS_SECONDS=0 run eval "$novelist" --data "$work/long.txt" -c 256
    check 'eval: progress within a window' grep -qE '^64 predictions, loss [0-9.]+$' "$work/err"
    check 'eval: progress over windows' grep -qE '^window 2, loss' "$work/err"
    run logits "$novelist" -f "$work/short.txt" -o "$work/l.npy"
    check 'a short command shows none' [ -z "$err" ]
    TREADLE_PROGRESS_SECONDS=0 run run "$novelist" -f "$work/short.txt" -n 1 -q
    check 'run -q shows none' [ -z "$err" ]
}

test_doctor_and_info() {
    run doctor "$novelist"
    check 'doctor' [ "$code" = 0 ]
    check 'doctor: threads' grep -qE '^threads   [0-9]+ by default: affinity allows [0-9]+ CPUs, control groups' "$work/out"
    check 'doctor: device' grep -qE '^device    cpu: [a-z0-9_]+, [0-9]+ thread' "$work/out"
    check 'doctor: memory' grep -qE '^memory    [0-9.]+ GiB, of which [0-9.]+ GiB' "$work/out"
    check 'doctor: fits' grep -qE '^          cpu: fits$' "$work/out"
    check 'doctor: a GPU or why none' grep -qE '^(webgpu:0 |GPU       none: )' "$work/out"
    run doctor "$novelist" -c 60000000 # 240 GB of cache
    check 'doctor: does not fit' [ "$code" = 1 ]
    check 'doctor: does not fit' grep -q 'cpu: does not fit' "$work/out"
    run doctor "$work/none.gguf"
    check 'doctor of nothing' [ "$code" = 1 ]
    check 'doctor of nothing says the rest' grep -q '^threads ' "$work/out"
    run doctor --webgpu-library "$work/none.so"
    check 'doctor: no library' bash -c "! grep -q '^webgpu:' '$work/out'"
    run run "$tiny" --ids 1 --device webgpu --webgpu-library "$work/none.so"
    if ! grep -q "no device named 'webgpu'" "$work/err"; then # a build that has WebGPU
        run devices --webgpu-library "$work/none.so"
        check 'devices: no library' [ "$code" = 1 ]
    fi
    run devices
    check 'devices: no library noise' bash -c "! grep -qiE 'XDG_RUNTIME|^ *(warning|error):|mesa|libEGL' '$work/err'"
    run info "$novelist"
    check 'info: memory' grep -qE '^memory        [0-9.]+ MiB: weights [0-9.]+, cache of 512 positions 2.0, step' "$work/out"
    check 'info: template' grep -qE '^chat template none$' "$work/out"
    cp -r "$tiny" "$work/templated"
    echo '{{ messages }}' >"$work/templated/chat_template.jinja"
    run info "$work/templated" --json
    check 'info: a template beside the model' grep -q '"has_chat_template": true' "$work/out"
    rm "$work/templated/chat_template.jinja"
    echo '{"chat_template": "{{ messages }}"}' >"$work/templated/tokenizer_config.json"
    run info "$work/templated" --json
    check 'info: a template in tokenizer_config.json' grep -q '"has_chat_template": true' "$work/out"
    run run "$novelist" -p x -n 1 --device webgpu --webgpu-library "$work/none.so"
    check 'no WebGPU library: 1 or, in a build without WebGPU, 2' [ "$code" != 0 ]
    run run "$novelist" -p x -n 1 --device webgpu
    if [ "$code" = 0 ]; then
        check 'the adapter is named' grep -qE '^webgpu: .*, (Vulkan|Metal|D3D12)' "$work/err"
        check 'a software adapter is called one' bash -c "! grep -q ', CPU' '$work/err' || grep -q 'warning: this adapter is software' '$work/err'"
    else check 'without WebGPU: how to get it' grep -q 'tools/setup.sh webgpu' "$work/err"; fi
}

# Chat from a pipe: commands work, what is none is not sent to the model, and the exit code says that something went wrong.
test_chat_from_a_pipe() {
    printf 'Hello\n/save %s\n/bogus\n' "$work/c.json" | "$program" chat "$novelist" -n 3 --temp 0 >"$work/out" 2>"$work/err"
    code=$? out=$(<"$work/out") err=$(<"$work/err")
    check "chat: an unknown command is a failure: $code" [ "$code" = 1 ]
    check 'chat: an unknown command' grep -q "'/bogus': no such command" "$work/err"
    check 'chat: only the message was sent' python3 -c '
import json, sys
messages = json.load(open(sys.argv[1]))["messages"]
assert [m["role"] for m in messages] == ["user", "assistant"] and messages[0]["content"] == "Hello", messages' "$work/c.json"
    printf '/load %s\n/regen\n/quit\nnot read' "$work/c.json" | "$program" chat "$novelist" -n 3 --temp 0 >"$work/again" 2>"$work/err"
    code=$? err=$(<"$work/err")
    check "chat: /load and /regen: $code" [ "$code" = 0 ]
    check 'chat: the same greedy answer after /load' cmp -s "$work/out" "$work/again"
    printf 'Hello\n/reset\nHello\n' | "$program" chat "$novelist" -c 50 --ignore-eos --temp 0 >"$work/out" 2>"$work/err"
    code=$? err=$(<"$work/err")
    check "chat: a full context from a pipe: $code" [ "$code" = 1 ]
    check 'chat: each time it says what to do' [ "$(grep -c 'fills the context of 50 tokens: /save FILE keeps it' "$work/err")" = 2 ]
    echo '{"messages": [{"role": "assistant", "content": "x"}]}' >"$work/wrong.json"
    printf '/load %s\n' "$work/wrong.json" | "$program" chat "$novelist" >"$work/out" 2>"$work/err"
    code=$? err=$(<"$work/err")
    check 'chat: /load of other JSON' grep -q "wrong.json: message 1: role 'assistant', expected 'user'" "$work/err"
}

# As on a system where nothing is installed: the build says what installs what is missing.
test_bare_system() {
    local tool
    mkdir "$work/bin"
    for tool in bash dirname env mktemp rm uname cat grep sed nproc; do ln -s "$(command -v "$tool")" "$work/bin/$tool"; done
    PATH=$work/bin bash "$repo/tools/build.sh" release >"$work/out" 2>"$work/err"
    code=$? out=$(<"$work/out") err=$(<"$work/err")
    check 'make without cmake fails' [ "$code" = 1 ]
    check 'make without cmake names it' grep -qE '^setup: cmake +missing' "$work/err"
    check 'make without cmake says what installs it' grep -q 'tools/setup.sh demo installs what is missing' "$work/err"
}

test_every_option
test_contradictions
test_positional_prompt
test_names
test_json
test_disks
test_beyond_context
test_progress
test_doctor_and_info
test_chat_from_a_pipe
test_bare_system
echo "cli_host: $passed passed, $failed failed"
[ "$failed" = 0 ]
