#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What Transformers says of test/data/text/passage.txt with SmolLM2-135M-Instruct's published weights, for
test/test_smollm2_slow.sh.

    smollm2_perplexity.py MODEL.gguf

The GGUF file's weights are decoded to float32 by Transformers. The text is cut and counted as llama-perplexity does:
chunks of 256 tokens, the second half's predictions. (This vocabulary puts no beginning-of-sequence token before a text.)
"""

import math
import pathlib
import sys

import torch
import transformers

CHUNK = 256
TEXT = pathlib.Path(__file__).resolve().parents[2] / "test/data/text/passage.txt"


def main():
    path = pathlib.Path(sys.argv[1])
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    ids = tokenizer(TEXT.read_text(), add_special_tokens=False).input_ids
    total, n = 0.0, 0
    for begin in range(0, len(ids) - CHUNK + 1, CHUNK):
        chunk = torch.tensor(ids[begin : begin + CHUNK])
        with torch.no_grad():
            log_p = model(chunk[None]).logits[0].double().log_softmax(-1)
        for i in range(CHUNK // 2, CHUNK - 1):
            total -= log_p[i, chunk[i + 1]].item()
            n += 1
    print(f"transformers {transformers.__version__}, torch {torch.__version__}: {len(ids)} tokens, {n} predictions, "
          f"perplexity {math.exp(total / n):.5f}")
    question = tokenizer.apply_chat_template([{"role": "user", "content": "What is the capital of France?"}],
                                             add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**question, max_new_tokens=30, do_sample=False)[0, question["input_ids"].shape[1] :]
    print(question["input_ids"][0].tolist(), repr(tokenizer.decode(answer)))


main()
