#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes test/data/bpe: a small corpus, and what Hugging Face's BpeTrainer learns from it.

Needs the PyPI package tokenizers. Re-running gives the same files for the same version; ORIGIN.md records it.

    python tools/golden/bpe_train.py
    python tools/golden/bpe_train.py TEXT TOKENIZER_JSON   # compares any file that `treadle tokenizer train` made of TEXT
"""
import json
import pathlib
import random
import sys

import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

OUT = pathlib.Path(__file__).resolve().parents[2] / "test" / "data" / "bpe"

SUFFIXES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
CL100K = SUFFIXES + r"|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
REGEXES = {"gpt-2": None, "llama-bpe": CL100K % r"\p{N}{1,3}", "qwen2": CL100K % r"\p{N}"}

TEXT = """The lamp on the quay was lit before the boats came in. Nobody had asked for it, but nobody put it out.
"You're late," said the harbour master, who'd counted every sail since noon. "We've waited, they've waited, I've waited."
The youngest of the crew laughed. He'd never waited for anything; he didn't know how. "It's only the tide," he said.

    def wait(minutes):
        for minute in range(minutes):
            look(minute)    # nothing
        return None

In 1893 there were 12 boats, in 1921 there were 1,204, and in 1947 none. Prices: 3.50, 13.75, 100.00, 1000000.
Zürich, Ærø, Łódź, naïve café, señor; Привет, мир; 你好，世界; こんにちは; 🚀🚀 and 👩‍👧 together.
aaaa aaaaaaa aaaaaaaaaaaaaaaa abababab babababa ---- ======== ........ !!!!!!!!
Tabs\t\tand\r\nreturns\r\n\r\n  two spaces   three    four\n\n\n\nfour lines.
"""
SUBJECTS = ["the harbour master", "a boat", "the youngest of the crew", "nobody", "the tide", "her brother", "an old sailor"]
VERBS = ["waited for", "wasn't seen by", "counted", "had forgotten", "remembered", "will not find", "keeps"]
OBJECTS = ["the lamp", "every sail", "the quay", "the morning", "twelve nets", "what the sea had taken", "it"]


def corpus():
    rng = random.Random(7)
    lines = [TEXT]
    for _ in range(300):
        words = " ".join([rng.choice(SUBJECTS), rng.choice(VERBS), rng.choice(OBJECTS)])
        lines.append(words[0].upper() + words[1:] + rng.choice([".", "!", "?", " ...", ";"]) + rng.choice(["\n", " ", "\n\n"]))
    return "".join(lines)


def train(text, pre, n_vocab, count_min, specials, pattern):
    tokenizer = Tokenizer(models.BPE())
    split = [] if pattern is None else [pre_tokenizers.Split(Regex(pattern), "isolated")]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split + [byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_vocab,
        min_frequency=count_min,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.split("\0"), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
    return tokenizer, model["vocab"], merges


def make():
    text = corpus()
    (OUT / "corpus.txt").write_text(text, encoding="utf-8", newline="")
    cases = []
    for pre, n_vocab, count_min, specials in [
        ("gpt-2", 450, 2, ["<|endoftext|>"]),
        ("gpt-2", 5000, 1, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]),
        ("llama-bpe", 500, 2, ["<|endoftext|>"]),
        ("qwen2", 600, 3, ["<|endoftext|>"]),
    ]:
        tokenizer, vocab, merges = train(text, pre, n_vocab, count_min, specials, REGEXES[pre])
        cases.append(
            {
                "pre": pre,
                "n_vocab": n_vocab,
                "count_min": count_min,
                "specials": specials,
                "tokens": sorted(vocab, key=vocab.get),
                "merges": merges,
                "ids": tokenizer.encode(text, add_special_tokens=False).ids,
            }
        )
    made = {"tokenizers": tokenizers.__version__, "cases": cases}
    (OUT / "golden.json").write_text(json.dumps(made, ensure_ascii=False, separators=(",", ":")).replace('{"pre"', '\n{"pre"') + "\n")


def compare(text_path, json_path):
    text = open(text_path, encoding="utf-8", newline="").read()
    ours = json.load(open(json_path, encoding="utf-8"))
    splits = [p["pattern"]["Regex"] for p in ours["pre_tokenizer"]["pretokenizers"][:-1]]
    specials = [t["content"] for t in ours["added_tokens"]]
    for count_min in (2, 1, 3):
        tokenizer, vocab, merges = train(text, "", len(ours["model"]["vocab"]), count_min, specials, splits[0])
        if merges == ours["model"]["merges"] and vocab == ours["model"]["vocab"]:
            break
    loaded = Tokenizer.from_file(json_path)
    part = text.replace("\0", "")[:2000000]
    ids = loaded.encode(part, add_special_tokens=False).ids
    print("merges equal:", merges == ours["model"]["merges"], "vocabulary equal:", vocab == ours["model"]["vocab"])
    print("ids equal:", ids == tokenizer.encode(part, add_special_tokens=False).ids)
    print("text comes back:", loaded.decode(ids, skip_special_tokens=False) == part)


if len(sys.argv) == 3:
    compare(*sys.argv[1:])
else:
    make()
