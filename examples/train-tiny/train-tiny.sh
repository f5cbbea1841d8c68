#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Trains a tiny model on one text file and lets it write: train-tiny.sh TEXT DIR [more options of treadle train]
# TREADLE names the program, where it is not in PATH.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: train-tiny.sh TEXT DIR [options of treadle train]" >&2
    exit 2
fi
treadle=${TREADLE:-treadle} text=$1 dir=$2
shift 2
"$treadle" train --size tiny --data "$text" --out "$dir" "$@"
printf 'It was'
"$treadle" run "$dir/model.gguf" -p "It was" -n 120 --temp 0.7 --seed 1
