#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program and other people's files: pointers of Git LFS in the place of files, weights that do not fit the configuration,
# tokens that a tokenizer's files put round a text, ids with a NUL among them.
#   test_cli_files.sh PROGRAM REPO
set -uo pipefail
program=$1 repo=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
passed=0 failed=0
tiny=$repo/test/data/hf-tiny/llama
sharded=$repo/test/data/hf-sharded/llama
novelist=$repo/models/novelist-7m-q8_0.gguf

fail() {
    failed=$((failed + 1))
    echo "cli_files: failed: $*" >&2
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
refused() { # pattern of stderr, arguments
    local pattern=$1
    shift
    run "$@"
    check "exit code of '$*' is $code" [ "$code" = 1 ]
    check "stderr of '$*'" grep -qE -- "$pattern" "$work/err"
    check "stdout of '$*'" [ ! -s "$work/out" ]
}

pointer() {
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 4096\n' 7 >"$1"
}

test_pointers() {
    pointer "$work/model.gguf"
    refused "model.gguf': is a Git LFS pointer, not the file itself: fetch that with 'git lfs pull'" info "$work/model.gguf"
    refused "model.gguf': is a Git LFS pointer" tokenize "$work/model.gguf" -p a
    local file
    for file in config.json model.safetensors tokenizer.json tokenizer_config.json; do
        rm -rf "$work/dir"
        cp -r "$tiny" "$work/dir"
        cp "$repo/test/data/token/smollm.tokenizer.json" "$work/dir/tokenizer.json"
        echo '{}' >"$work/dir/tokenizer_config.json"
        chmod -R u+w "$work/dir"
        pointer "$work/dir/$file"
        refused "$file': is a Git LFS pointer" info "$work/dir"
    done
    for file in model.safetensors.index.json model-00002-of-00003.safetensors; do
        rm -rf "$work/dir"
        cp -r "$sharded" "$work/dir"
        chmod -R u+w "$work/dir"
        pointer "$work/dir/$file"
        refused "$file': is a Git LFS pointer" info "$work/dir"
    done
    pointer "$work/text.txt"
    refused "text.txt': is a Git LFS pointer" train --from "$novelist" \
        --data "$work/text.txt" --out "$work/run"
}

# The third block of three that the configuration does not know.
test_blocks() {
    cp -r "$tiny" "$work/blocks"
    chmod -R u+w "$work/blocks"
    sed -i 's/"num_hidden_layers": [0-9]*/"num_hidden_layers": 1/' "$work/blocks/config.json"
    refused "tensor 'model.layers.1.[a-z_.]*' is of block 1, but the configuration has 1 blocks" info "$work/blocks"
}

# A shard has a tensor that the index does not name.
test_unlisted() {
    cp -r "$sharded" "$work/unlisted"
    chmod -R u+w "$work/unlisted"
    sed -i 's/"lm_head.weight": "[^"]*",\{0,1\}//' "$work/unlisted/model.safetensors.index.json"
    sed -i -z 's/,[[:space:]]*}/}/g' "$work/unlisted/model.safetensors.index.json"
    sed -i 's/"tie_word_embeddings": false/"tie_word_embeddings": true/' "$work/unlisted/config.json"
    run info "$work/unlisted"
    check "unlisted opens: $code" [ "$code" = 0 ]
    check "unlisted is said" grep -q '^warning  *1 tensors of the shards are not in their index, and not used$' "$work/out"
    run info "$work/unlisted" --json
    check "unlisted is said in JSON" grep -q '"1 tensors of the shards are not in their index, and not used"' "$work/out"
}

# A prompt to go on from does not end with the end-of-sequence token, whatever the tokenizer's files add to a whole text.
test_add_eos() {
    local dir=$work/eos expected
    mkdir -p "$dir"
    cp "$repo/test/data/token/smollm.tokenizer.json" "$dir/tokenizer.json"
    echo '{"eos_token": "d"}' >"$dir/tokenizer_config.json"
    run tokenize "$dir" -p "the old"
    check "tokenize: $code" [ "$code" = 0 ]
    expected=$out
    echo '{"add_eos_token": true, "eos_token": "d"}' >"$dir/tokenizer_config.json"
    run tokenize "$dir" -p "the old"
    check "add_eos_token adds nothing: '$expected'" [ "$out" = "$expected" ]
}

test_detokenize() {
    [ -e "$novelist" ] || { echo "cli_files: skipped: detokenize: no $novelist"; return; }
    printf '1 2\0003 4' >"$work/ids"
    "$program" detokenize "$novelist" <"$work/ids" >"$work/out" 2>"$work/err"
    code=$? out=$(<"$work/out") err=$(<"$work/err")
    check "a NUL among ids: $code" [ "$code" = 1 ]
    check "a NUL among ids is named" grep -q 'stdin: byte 3: a NUL byte: token ids expected' "$work/err"
    check "nothing is printed" [ ! -s "$work/out" ]
}

[ -x "$program" ] || { echo "cli_files: $program is no program" >&2; exit 1; }
test_pointers
test_blocks
test_unlisted
test_add_eos
test_detokenize
echo "cli_files: $passed passed, $failed failed"
[ "$failed" = 0 ]
