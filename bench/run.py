#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speed and memory of build/treadle, beside llama.cpp where it is given.

    make bench
    MODELS="a.gguf b.gguf" LLAMA_BENCH=path/to/llama-bench bench/run.py

Each round runs every side once, in turn, so that a machine whose speed drifts drifts for both; the table has medians
over the rounds and the median of the rounds' ratios. Memory is the peak resident size of a decode of 64 tokens.
Settings: MODELS (default: the bundled model), LLAMA_BENCH, THREADS (2), PROMPT (512), GEN (64), ROUNDS (5).
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TREADLE = os.environ.get("TREADLE", str(ROOT / "build/treadle"))
PEER = os.environ.get("LLAMA_BENCH")
MODELS = os.environ.get("MODELS", str(ROOT / "models/novelist-7m-q8_0.gguf")).split()
THREADS = os.environ.get("THREADS", "2")
PROMPT = os.environ.get("PROMPT", "512")
GEN = os.environ.get("GEN", "64")
ROUNDS = int(os.environ.get("ROUNDS", "5"))


def measure(program, model):
    """Tokens per second of one prefill and one decode."""
    command = [*program, "-m", model, "-t", THREADS, "-fa", "1", "-p", PROMPT, "-n", GEN, "-r", "1", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    rows = json.loads(done.stdout)
    return {("prefill" if row["n_prompt"] else "decode"): row["avg_ts"] for row in rows}


def peak_memory(model):
    """Peak resident bytes of a short run."""
    command = [TREADLE, "run", model, "--ids", "1,2,3", "-n", "64", "--ignore-eos", "--print-ids", "--ctx", "512", "--threads", THREADS]
    reader = "import resource,subprocess,sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)"
    reader += "; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    return 1024 * int(subprocess.run([sys.executable, "-c", reader, *command], capture_output=True, text=True, check=True).stdout)


def main():
    print("| model | what | treadle tok/s | llama.cpp tok/s | ratio (min to max) |")
    print("|---|---|---|---|---|")
    for model in MODELS:
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(measure([TREADLE, "bench"], model))
            if PEER:
                theirs.append(measure([PEER], model))
        for what in ("prefill", "decode"):
            cells = [f"{statistics.median(r[what] for r in ours):.1f}", "", ""]
            if theirs:
                ratios = [a[what] / b[what] for a, b in zip(ours, theirs)]
                cells[1] = f"{statistics.median(r[what] for r in theirs):.1f}"
                cells[2] = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {pathlib.Path(model).name} | {what} | {' | '.join(cells)} |", flush=True)
        peak, size = peak_memory(model), os.path.getsize(model)
        print(f"| {pathlib.Path(model).name} | peak memory | {peak / 2**20:.1f} MiB | | {peak / size:.2f} of the file |")


main()
