# SPDX-License-Identifier: MIT
"""Writes reference.json of every folder in test/data/hf-tiny: logits and greedy ids by Transformers in float32.

    python3 -m venv VENV && VENV/bin/pip install torch transformers
    VENV/bin/python tools/golden/hf_tiny_reference.py [FOLDER ...]

The prompts are those of reference-bf16-rope.json, the file that came with the models. See ORIGIN.md for what differs.
"""

import base64
import json
import pathlib
import sys

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2] / "test/data/hf-tiny"


def run(model, ids, n_greedy):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
        greedy = model.generate(
            torch.tensor([ids]), do_sample=False, min_new_tokens=n_greedy, max_new_tokens=n_greedy, eos_token_id=-1, pad_token_id=0
        )[0][len(ids) :]
    top2 = torch.topk(logits, 2).values
    return {
        "ids": ids,
        "greedy": greedy.tolist(),
        "shape": list(logits.shape),
        "f32": base64.b64encode(logits.numpy().astype("<f4").tobytes()).decode(),
        "min_top2_gap": float((top2[:, 0] - top2[:, 1]).min()),
    }


for folder in sorted(p for p in ROOT.iterdir() if p.is_dir() and (p.name in sys.argv[1:] or not sys.argv[1:])):
    old = json.loads((folder / "reference-bf16-rope.json").read_text())
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    prompts = [run(model, p["ids"], len(p["greedy"])) for p in old["prompts"]]
    made = {"transformers": transformers.__version__, "torch": torch.__version__, "prompts": prompts}
    (folder / "reference.json").write_text(json.dumps(made, indent=1) + "\n")
    same = all(a["greedy"] == b["greedy"] for a, b in zip(prompts, old["prompts"]))
    print(folder.name, "greedy ids as in reference-bf16-rope.json:", same)
