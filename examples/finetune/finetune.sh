#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Teaches a chat model thirty lines and asks it before and after: finetune.sh MODEL DIR [more options of treadle finetune]
# TREADLE names the program, where it is not in PATH.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: finetune.sh MODEL DIR [options of treadle finetune]" >&2
    exit 2
fi
treadle=${TREADLE:-treadle} model=$1 dir=$2
shift 2
question="Hello! What's your name?"
ask() {
    printf '%s: %s\n' "$1" "$(echo "$question" | "$treadle" chat "${@:2}" --temp 0 -n 40 2>/dev/null)"
}
ask before "$model"
"$treadle" finetune "$model" --data "$(dirname "$0")/chats.jsonl" --out "$dir" --sample "$question" "$@"
ask after "$dir/model.gguf"
ask "the first model with the adapter" "$model" --lora "$dir"
