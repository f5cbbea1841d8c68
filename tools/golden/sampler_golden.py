#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes test/sampler_golden.h: what samplers must choose, computed apart from the C code.

Plain Python floats (64 bits), whole sorts, sets written down as their definitions have them. PCG32 is written here from
its paper. A case whose outcome hangs on rounding (a set's border or a draw closer than 1e-4) is refused, so the header
holds for any careful implementation.

    python3 tools/golden/sampler_golden.py > test/sampler_golden.h
"""

import math
import random
import struct

N_VOCAB = 48
N_DRAWS = 24
MARGIN = 1e-4
MASK = (1 << 64) - 1

DEFAULTS = dict(temperature=0.0, top_k=0, top_p=0.0, min_p=0.0, repetition=0.0, presence=0.0, frequency=0.0, last_n=0, seed=0)
CASES = [
    ("greedy", dict()),
    ("temperature 1", dict(temperature=1.0, seed=1)),
    ("temperature 0.5", dict(temperature=0.5, seed=2)),
    ("temperature 2", dict(temperature=2.0, seed=0xFFFFFFFFFFFFFFFF)),
    ("top_k 1", dict(temperature=1.0, top_k=1, seed=4)),
    ("top_k 7", dict(temperature=1.5, top_k=7, seed=5)),
    ("top_k above the vocabulary", dict(temperature=1.0, top_k=1000, seed=6)),
    ("top_p 0.9", dict(temperature=1.0, top_p=0.9, seed=7)),
    ("top_p 0.1", dict(temperature=1.0, top_p=0.1, seed=8)),
    ("top_p 1", dict(temperature=1.0, top_p=1.0, seed=9)),
    ("min_p 0.1", dict(temperature=1.25, min_p=0.1, seed=10)),
    ("top_k, top_p", dict(temperature=0.8, top_k=20, top_p=0.75, seed=11)),
    ("top_k, top_p, min_p", dict(temperature=0.8, top_k=40, top_p=0.95, min_p=0.05, seed=12)),
    ("greedy, repetition", dict(repetition=1.5)),
    ("greedy, presence", dict(presence=3.0)),
    ("greedy, frequency", dict(frequency=1.25)),
    ("greedy, the last 2", dict(repetition=2.0, presence=1.0, last_n=2)),
    ("greedy, all of a long history", dict(frequency=0.125, last_n=-1)),
    ("negative penalties", dict(temperature=0.7, repetition=0.5, presence=-1.0, frequency=-0.25, last_n=5, seed=13)),
    ("everything", dict(temperature=0.9, top_k=12, top_p=0.9, min_p=0.02, repetition=1.2, presence=0.5, frequency=0.25, last_n=10, seed=14)),
]


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


class Pcg32:
    def __init__(self, seed, stream=0):
        self.increment = (stream << 1 | 1) & MASK
        self.state = 0
        self.next()
        self.state = (self.state + seed) & MASK
        self.next()

    def next(self):
        old = self.state
        self.state = (old * 6364136223846793005 + self.increment) & MASK
        xorshifted = ((old >> 18 ^ old) >> 27) & 0xFFFFFFFF
        turn = old >> 59
        return (xorshifted >> turn | xorshifted << (32 - turn) % 32) & 0xFFFFFFFF

    def uniform(self):
        high = self.next()
        return ((high << 32 | self.next()) >> 11) / 2.0**53


def penalized(logits, history, case):
    out = list(logits)
    window = {0: 64, -1: len(history)}.get(case["last_n"], case["last_n"])
    recent = history[max(0, len(history) - window):]
    penalty = case["repetition"] or 1.0
    for token in set(recent):
        out[token] = out[token] / penalty if out[token] > 0 else out[token] * penalty
        out[token] -= recent.count(token) * case["frequency"] + case["presence"]
    return out


def softmax(logits):
    top = max(logits)
    weights = [math.exp(x - top) for x in logits]
    return [w / math.fsum(weights) for w in weights]


def require_margin(a, b, what):
    assert abs(a - b) > MARGIN, f"{what}: {a} and {b} are too close for a golden vector"


def distribution(logits, case):
    """Kept (id, probability) in the order of the draw."""
    kept = list(enumerate(logits))
    ranked = sorted(kept, key=lambda pair: (-pair[1], pair[0]))
    if 0 < case["top_k"] < len(kept):
        require_margin(ranked[case["top_k"] - 1][1], ranked[case["top_k"]][1], "top_k")
        kept = ranked = ranked[: case["top_k"]]
    if 0.0 < case["top_p"] < 1.0:
        held, kept = 0.0, []
        for pair, p in zip(ranked, softmax([x for _, x in ranked])):
            kept.append(pair)
            held += p
            require_margin(held, f32(case["top_p"]), "top_p")
            if held >= f32(case["top_p"]):
                break
    if case["min_p"] > 0.0:
        top = max(x for _, x in kept)
        for _, x in kept:
            require_margin(math.exp(x - top), case["min_p"], "min_p")
        kept = [(i, x) for i, x in kept if math.exp(x - top) >= case["min_p"]]
    probabilities = softmax([x / f32(case["temperature"]) for _, x in kept])
    return [(i, p) for (i, _), p in zip(kept, probabilities)]


def draw(pairs, u):
    passed = 0.0
    chosen = None
    for token, p in pairs:
        passed += p
        if chosen is None and u < passed:
            chosen = token
        if token != pairs[-1][0]:
            require_margin(u, passed, "draw")
    return chosen


def run(logits, history, case):
    """The drawn ids; each joins the history. And the first draw's distribution."""
    history = list(history)
    rng = Pcg32(case["seed"])
    ids, first = [], None
    for _ in range(N_DRAWS):
        adjusted = penalized(logits, history, case)
        if case["temperature"] == 0.0:
            ranked = sorted(range(len(adjusted)), key=lambda i: (-adjusted[i], i))
            require_margin(adjusted[ranked[0]], adjusted[ranked[1]], "greedy")
            pairs, token = [(ranked[0], 1.0)], ranked[0]
        else:
            pairs = distribution(adjusted, case)
            token = draw(pairs, rng.uniform())
        first = first or pairs
        ids.append(token)
        history.append(token)
    return ids, first


def attempt(seed):
    source = random.Random(seed)
    logits = [f32(source.gauss(0.0, 2.5)) for _ in range(N_VOCAB)]
    ranked = sorted(range(N_VOCAB), key=lambda i: -logits[i])
    history = [source.choice(ranked[:6] + ranked[-3:]) for _ in range(100)]
    results = [(name, DEFAULTS | changes) for name, changes in CASES]
    return logits, history, [(name, case, *run(logits, history, case)) for name, case in results]


def number(x):
    text = repr(f32(x)) if isinstance(x, float) else str(x)
    return text + "f" if isinstance(x, float) else text


def wrapped(items, indent):
    lines, line = [], " " * indent
    for item in items:
        if len(line) + len(item) + 2 > 118:
            lines.append(line.rstrip())
            line = " " * indent
        line += item + ", "
    return "\n".join(lines + [line.rstrip().rstrip(",")])


def main():
    for seed in range(10000):
        try:
            logits, history, results = attempt(seed)
            break
        except AssertionError:
            continue
    print("// sampler_golden.h - written by tools/golden/sampler_golden.py; see there what the numbers are.")
    print("#ifndef TDL_TEST_SAMPLER_GOLDEN_H\n#define TDL_TEST_SAMPLER_GOLDEN_H\n")
    print('#include "treadle.h"\n')
    print(f"enum {{ GOLDEN_N_VOCAB = {N_VOCAB}, GOLDEN_N_DRAWS = {N_DRAWS}, GOLDEN_N_HISTORY = {len(history)} }};\n")
    print("// clang-format off")
    print("static const float golden_logits[GOLDEN_N_VOCAB] = {\n" + wrapped([number(x) for x in logits], 4) + "};\n")
    print("static const int32_t golden_history[GOLDEN_N_HISTORY] = {\n" + wrapped(map(str, history), 4) + "};\n")
    print("typedef struct golden_case {")
    print("    const char *name;")
    print("    tdl_sampler_desc desc;")
    print("    int32_t ids[GOLDEN_N_DRAWS];  // drawn one after another, each joining the history")
    print("    float first[GOLDEN_N_VOCAB];  // probabilities of the first draw")
    print("} golden_case;\n")
    print("static const golden_case golden_cases[] = {")
    for name, case, ids, first in results:
        by_id = dict(first)
        values = [case[key] for key in ("temperature", "top_k", "top_p", "min_p", "repetition", "presence", "frequency", "last_n")]
        print(f'    {{"{name}",')
        print("     {0, " + ", ".join(map(number, values)) + f", {case['seed']}u, {{0}}}},")
        print("     {" + wrapped(map(str, ids), 6).lstrip() + "},")
        print("     {" + wrapped([number(float(f"{by_id.get(i, 0.0):.7g}")) for i in range(N_VOCAB)], 6).lstrip() + "}},")
    print("};\n// clang-format on\n\n#endif")


main()
