# SPDX-License-Identifier: MIT
"""Writes test/data/train/<family>.json: what training computes, by PyTorch in float32, from models in test/data/hf-tiny.

    python3 -m venv VENV && VENV/bin/pip install torch transformers numpy
    VENV/bin/python tools/golden/hf_tiny_train.py [FAMILY ...]

Two documents, each alone in a forward pass, so that neither sees the other and positions start at 0 in both; the loss is
the mean over the counted targets of both. What the fields mean: test/data/train/ORIGIN.md.
"""

import base64
import json
import pathlib
import re
import sys

import numpy
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2] / "test/data"
FAMILIES = ["gpt2", "llama", "qwen2", "qwen3", "mistral", "mixtral", "qwen3_moe"]
LENGTHS = [27, 21]  # tokens of the documents
FULL_MAX = 1024  # elements of a gradient that is stored whole
SAMPLES, STRIDE = 512, 1009  # of any other: element (k * STRIDE) % n for k in 0 .. SAMPLES - 1
ROUTERS = {"mixtral": "block_sparse_moe"}  # what files call the module, where Transformers calls it mlp
STEPS, CLIP = 20, 1.0
ADAMW = {"lr": 1e-3, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.1}


def make_documents():
    """(ids, targets) of each: few different ids, so that many repeat, the first and the last of the vocabulary among them."""
    rng = numpy.random.default_rng(20)
    words = numpy.concatenate([[0, 255], rng.choice(numpy.arange(1, 255), 22, replace=False)])
    documents = []
    for n in LENGTHS:
        text = rng.choice(words, n + 1).tolist()
        documents.append((text[:n], text[1:]))
    documents[0][1][13] = -1
    documents[1][1][:6] = [-1] * 6  # as a prompt that is not learned
    return documents


def loss_of(model, documents):
    losses = [
        torch.nn.functional.cross_entropy(
            model(torch.tensor([ids]), use_cache=False).logits[0], torch.tensor(targets), ignore_index=-1, reduction="sum"
        )
        for ids, targets in documents
    ]
    return sum(losses) / sum(t >= 0 for _, targets in documents for t in targets)


def load(family, dtype):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        ROOT / "hf-tiny" / family, dtype=dtype, attn_implementation="eager", experts_implementation="eager"
    ).eval()  # no dropout; gradients are computed all the same
    model.get_input_embeddings().padding_idx = None  # the padding id's row learns as the others do
    return model


def gradients(model, documents):
    """The loss, and (shape, gradient) of every parameter; those of experts, which Transformers has as one tensor with gate
    and up together, as GGUF files have them."""
    loss = loss_of(model, documents)
    loss.backward()
    made = {}
    for name, p in model.named_parameters():
        grad = p.grad.detach().numpy()
        experts = re.fullmatch(r"model\.layers\.(\d+)\.mlp\.experts\.(gate_up|down)_proj", name)
        parts = {name: grad}
        if experts and experts[2] == "gate_up":
            gate, up = numpy.split(grad, 2, axis=1)
            parts = {f"blk.{experts[1]}.ffn_gate_exps.weight": gate, f"blk.{experts[1]}.ffn_up_exps.weight": up}
        elif experts:
            parts = {f"blk.{experts[1]}.ffn_down_exps.weight": grad}
        made |= {n.replace(".mlp.gate.", f".{ROUTERS.get(model.config.model_type, 'mlp')}.gate."): g for n, g in parts.items()}
    return loss.item(), {name: (grad.shape, grad.ravel()) for name, grad in made.items()}


def entry(shape, grad):
    values = grad if grad.size <= FULL_MAX else grad[numpy.arange(SAMPLES) * STRIDE % grad.size]
    return {
        "shape": list(shape),
        "norm": float(numpy.linalg.norm(grad.astype("f8"))),
        "f32": base64.b64encode(values.astype("<f4").tobytes()).decode(),
    }


def train(model, documents):
    params = list(model.parameters())
    groups = [
        {"params": [p for p in params if p.dim() >= 2], "weight_decay": ADAMW["weight_decay"]},
        {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=ADAMW["lr"], betas=tuple(ADAMW["betas"]), eps=ADAMW["eps"])
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, documents)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(params, CLIP).item())
        optimizer.step()
        losses.append(loss.item())
    losses.append(loss_of(model, documents).item())
    return losses, norms


def main():
    documents = make_documents()
    (ROOT / "train").mkdir(exist_ok=True)
    for family in sys.argv[1:] or FAMILIES:
        model = load(family, torch.float32)
        loss, grads = gradients(model, documents)
        loss64, grads64 = gradients(load(family, torch.float64), documents)
        worst = max(numpy.linalg.norm(grads[n][1] - g) / numpy.linalg.norm(g) for n, (_, g) in grads64.items())
        losses, norms = train(load(family, torch.float32), documents)
        made = {
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "documents": [{"ids": ids, "targets": targets} for ids, targets in documents],
            "loss": loss,
            "gradients": {name: entry(shape, grad) for name, (shape, grad) in grads.items()},
            "adamw": ADAMW,
            "clip": CLIP,
            "losses": losses,
            "norms": norms,
        }
        path = ROOT / "train" / f"{family}.json"
        path.write_text(json.dumps(made, indent=1) + "\n")
        print(
            f"{family}: loss {loss:.6f} (float64 {loss64:.6f}), gradients differ from float64 by {worst:.1e} of a tensor's"
            f" norm, after {STEPS} steps {losses[-1]:.4f}, {path.stat().st_size} bytes"
        )


main()
