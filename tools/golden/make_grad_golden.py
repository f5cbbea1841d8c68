#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes test/data/ops/<op>.json for the ops of training: PyTorch's autograd, optimizer and losses, in float64.

    python3 -m venv venv && venv/bin/pip install numpy torch transformers
    venv/bin/python tools/golden/make_grad_golden.py test/data/ops

Forward passes are written with PyTorch's own functions and differentiated by it; ALiBi's slopes are those of the BLOOM code
in transformers. Dropout's masks are computed with Python's integers from the formula in src/ops/dropout/dropout.h, and
given to PyTorch as factors.
"""

import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

rng = np.random.default_rng(20240611)
ACTIVATIONS = {
    1: F.silu,
    2: F.gelu,
    3: lambda x: F.gelu(x, approximate="tanh"),
    4: F.relu,
}


def floats(*shape, scale=1.0):
    """Random numbers that are floats exactly, with few digits, so that the files stay small."""
    values = np.round(rng.standard_normal(shape) * scale * 256) / 256
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def as_float32(values):
    """Rounded to F32, still float64."""
    return values.detach().to(torch.float32).to(torch.float64)


def tensor(values, dtype="F32"):
    values = values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    data = values.reshape(-1).tolist()
    if dtype == "I32":
        data = [int(v) for v in data]
    else:
        data = [float(np.format_float_positional(np.float32(v), unique=True)) if v else 0.0 for v in data]
    return {"dtype": dtype, "shape": list(values.shape), "data": data}


def case(inputs, outputs, given=None, **attrs):
    made = {"attrs": attrs, "in": [t if isinstance(t, dict) else tensor(t) for t in inputs]}
    if given:
        made["given"] = [tensor(t) for t in given]
    made["out"] = [t if isinstance(t, dict) else tensor(t) for t in outputs]
    return made


def ids(*values):
    return tensor(np.array(values), "I32")


def groups(n, parts):
    size = -(-n // parts)
    return [range(min(n, p * size), min(n, (p + 1) * size)) for p in range(parts)]


def fill():
    y = floats(2, 3)
    return [case([], [torch.full((2, 3), -1.5)], [y], value=-1.5), case([], [torch.zeros(2, 3)], [y])]


def copy():
    x, y = floats(3, 5), floats(3, 5)
    return [case([x], [x], [y])]


def scale():
    x = floats(3, 5)
    return [case([x], [0.375 * x], scale=0.375)]


def pcg(v):
    state = (v * 747796405 + 2891336453) % 2**32
    word = (((state >> ((state >> 28) + 4)) ^ state) * 277803737) % 2**32
    return (word >> 22) ^ word


def key_of(seed, stream):
    return pcg((stream + pcg((seed[1] + pcg(seed[0] % 2**32)) % 2**32)) % 2**32)


def hash_of(first, i):
    return pcg((pcg(i ^ first) + pcg(first)) % 2**32)


def dropout():
    cases = []
    for seed, stream, rate in (((1, 2), 0, 0.25), ((-5, 16777213), 7, 0.5), ((0, 0), -1, 0.125)):
        x = floats(5, 9)
        first = key_of(seed, stream)
        kept = torch.tensor([hash_of(first, i) >= rate * 2**32 for i in range(x.numel())]).reshape(x.shape)
        attrs = {"rate": rate, "stream": stream} if stream else {"rate": rate}
        cases.append(case([x, ids(*seed)], [torch.where(kept, x / (1 - rate), 0.0)], **attrs))
    return cases


def act_grad():
    x = torch.tensor([*np.linspace(-6, 6, 25), 0.25, 12.0, -12.0], dtype=torch.float64).reshape(4, 7).requires_grad_()
    dy = floats(4, 7)
    return [case([x, dy], torch.autograd.grad(f(x), x, dy), act=n) for n, f in ACTIVATIONS.items()]


def glu_grad():
    gate, up, dy = floats(3, 5, scale=2), floats(3, 5), floats(3, 5)
    return [
        case([gate, up, dy], torch.autograd.grad(f(gate) * up, (gate, up), dy), act=n) for n, f in ACTIVATIONS.items()
    ]


def parts_of(norm, x, params, dy, parts):
    """The gradients of the norm's parameters, from each group of rows alone."""
    x, dy, width = x.detach().reshape(-1, x.shape[-1]), dy.reshape(-1, x.shape[-1]), x.shape[-1]
    sums = []
    for rows in groups(len(x), parts):
        if len(rows):
            sums.append(torch.autograd.grad(norm(x[list(rows)], *params), params, dy[list(rows)]))
        else:
            sums.append(tuple(torch.zeros(width, dtype=torch.float64) for _ in params))
    return [torch.stack([s[i] for s in sums]) for i in range(len(params))]


def norm_grad(norm_with_eps, n_params):
    cases = []
    for shape, parts, eps in (((5, 7), 2, 0.125), ((5, 7), 4, 2.0**-20), ((2, 3, 4), 3, 2.0**-17), ((2, 3), 3, 0.125)):
        def norm(values, *params, eps=eps):
            return norm_with_eps(values, params, eps)

        x, dy, params = floats(*shape), floats(*shape), [floats(shape[-1]) for _ in range(n_params)]
        (dx,) = torch.autograd.grad(norm(x, *params), x, dy)
        cases.append(case([x, params[0], dy], [dx, *parts_of(norm, x, params, dy, parts)], eps=eps, parts=parts))
    return cases


def rms_norm_grad():
    return norm_grad(lambda x, p, eps: F.rms_norm(x, x.shape[-1:], p[0], eps), 1)


def layer_norm_grad():
    return norm_grad(lambda x, p, eps: F.layer_norm(x, x.shape[-1:], p[0], p[1], eps), 2)


def sum_parts():
    x, cases = floats(5, 3), []
    for parts in (1, 2, 4):
        cases.append(case([x], [torch.stack([x[list(rows)].sum(0) for rows in groups(5, parts)])], parts=parts))
    return cases


def add_rows():
    x, y = floats(4, 3), floats(3)
    return [case([x], [y + x.sum(0)], [y])]


def matmul_grad_x():
    cases = []
    for dtype in ("F32", "F16"):
        x, w, dy = floats(3, 8), floats(5, 8), floats(3, 5)
        cases.append(case([dy, tensor(w, dtype)], torch.autograd.grad(F.linear(x, w), x, dy)))
    return cases


def matmul_grad_w():
    x, w, dy, before = floats(4, 6), floats(5, 6), floats(4, 5), floats(5, 6)
    (dw,) = torch.autograd.grad(F.linear(x, w), w, dy)
    return [case([dy, x], [before + dw], [before])]


def embed_grad():
    table, tokens, dy, before = floats(5, 3), torch.tensor([3, 0, 3, 4, 0, 3]), floats(6, 3), floats(5, 3)
    (dtable,) = torch.autograd.grad(F.embedding(tokens, table), table, dy)
    order = torch.argsort(tokens, stable=True)
    return [case([ids(*tokens.tolist()), ids(*order.tolist()), dy], [before + dtable], [before])]


def routed(renorm):
    """Logits, and what Transformers' routers make of them: softmax over all, the k largest, with renorm divided by their sum."""
    logits = floats(4, 5, scale=2)
    weights, chosen = torch.topk(F.softmax(logits, dim=-1), 2, dim=-1)
    return logits, chosen, weights / weights.sum(-1, keepdim=True) if renorm else weights


def route():
    cases = []
    for renorm in (0, 1):
        logits, chosen, weights = routed(renorm)
        cases.append(case([logits], [tensor(chosen, "I32"), weights], top_k=2, **({"renorm": 1} if renorm else {})))
    return cases


def route_grad():
    cases = []
    for renorm in (0, 1):
        logits, chosen, weights = routed(renorm)
        d = floats(4, 2)
        (dlogits,) = torch.autograd.grad(weights, logits, d)
        attrs = {"top_k": 2} | ({"renorm": 1} if renorm else {})
        cases.append(case([logits, tensor(chosen, "I32"), d], [dlogits], **attrs))
    return cases


EXPERTS = torch.tensor([[2, 0], [1, 2], [2, 3], [0, 2]])  # of four, for each of four tokens; expert 4 has none


def groups_of(chosen, n_experts):
    counts = torch.bincount(chosen.reshape(-1), minlength=n_experts)
    return ids(0, *counts.cumsum(0).tolist(), *torch.argsort(chosen.reshape(-1), stable=True).tolist())


def group():
    return [case([tensor(EXPERTS, "I32")], [groups_of(EXPERTS, 5)], experts=5)]


def experts(shared):
    """x, the experts' matrices, and each choice's row by its own expert's matrix."""
    x, w = floats(4, 6) if shared else floats(4, 2, 6), floats(5, 3, 6)
    rows = x[:, None].expand(4, 2, 6) if shared else x
    return x, w, torch.einsum("tjk,tjnk->tjn", rows, w[EXPERTS])


EXPERT_ATTRS = {"experts": 5, "top_k": 2}


def expert_matmul():
    cases = []
    for shared in (True, False):
        x, w, y = experts(shared)
        cases.append(case([x, tensor(w.reshape(15, 6)), groups_of(EXPERTS, 5)], [y], **EXPERT_ATTRS))
    return cases


def expert_matmul_grad_x():
    x, w, y = experts(False)
    dy = floats(4, 2, 3)
    inputs = [dy, tensor(w.reshape(15, 6)), groups_of(EXPERTS, 5)]
    return [case(inputs, torch.autograd.grad(y, x, dy), **EXPERT_ATTRS)]


def expert_matmul_grad_w():
    cases = []
    for shared in (True, False):
        x, w, y = experts(shared)
        dy, before = floats(4, 2, 3), floats(15, 6)
        (dw,) = torch.autograd.grad(y, w, dy)
        inputs = [dy, x, groups_of(EXPERTS, 5)]
        cases.append(case(inputs, [before + dw.reshape(15, 6)], [before], **EXPERT_ATTRS))
    return cases


def combine():
    y, weights = floats(3, 2, 5), floats(3, 2)
    return [case([y, weights], [(y * weights[..., None]).sum(1)]), case([y], [y.sum(1)])]


def combine_grad():
    y, weights, dout = floats(3, 2, 5), floats(3, 2), floats(3, 5)
    return [case([y, weights, dout], torch.autograd.grad((y * weights[..., None]).sum(1), (y, weights), dout))]


def attend(q, k, v, positions, scale, window, alibi, kept=None):
    """y, lse of self-attention over packed documents, as one masked attention; kept: what its weights are multiplied by."""
    n, heads, _ = q.shape
    rows = torch.arange(n)
    document = rows - torch.tensor(positions)
    back = rows[:, None] - rows[None, :]
    visible = (back >= 0) & (document[:, None] == document[None, :])
    if window:
        visible &= back < window
    bias = torch.zeros(heads, n, n, dtype=torch.float64)
    if alibi:
        slopes = build_alibi_tensor(torch.ones(1, 2), heads, torch.float64)[:, 0, 1]
        bias = bias - slopes[:, None, None] * back
    bias = torch.where(visible, bias, -math.inf)
    k, v = (t.repeat_interleave(heads // t.shape[1], dim=1).transpose(0, 1) for t in (k, v))
    scores = q.transpose(0, 1) @ k.transpose(1, 2) * scale + bias
    lse = torch.logsumexp(scores, dim=-1)
    if kept is None:
        y = F.scaled_dot_product_attention(q.transpose(0, 1), k, v, attn_mask=bias, scale=scale)
    else:
        y = (torch.softmax(scores, dim=-1) * kept) @ v
    return y.transpose(0, 1), lse.T


def attentions():
    for heads, kv_heads, window, alibi in ((4, 2, 0, 0), (2, 2, 3, 0), (6, 1, 0, 8), (2, 1, 2, 8)):
        positions = [0, 1, 2, 3, 0, 0, 1, 2]
        q, k, v = floats(8, heads, 3), floats(8, kv_heads, 3), floats(8, kv_heads, 3)
        y, lse = attend(q, k, v, positions, 0.5, window, alibi)
        attrs = {"scale": 0.5} | ({"window": window} if window else {}) | ({"alibi": alibi} if alibi else {})
        yield q, k, v, [ids(*positions)], y, lse, floats(*y.shape), attrs
    yield from dropped_attentions()


def dropped_attentions():
    global rng
    others, rng = rng, np.random.default_rng(20261127)  # what other ops' cases draw stays as it was
    positions, scale = [0, 1, 2, 3, 4, 0, 1], 0.5
    for heads, kv_heads, window, alibi, rate, stream in ((4, 2, 0, 0, 0.25, 3), (3, 1, 3, 8, 0.5, -2)):
        n, seed = len(positions), [-7, 1234567]
        q, k, v = floats(n, heads, 3), floats(n, kv_heads, 3), floats(n, kv_heads, 3)
        kept = torch.zeros(heads, n, n, dtype=torch.float64)
        for h, i, j in itertools.product(range(heads), range(n), range(n)):
            row = hash_of(key_of(seed, stream), i * heads + h)
            kept[h, i, j] = 1 / (1 - rate) if hash_of(row, j) >= rate * 2**32 else 0
        y, lse = attend(q, k, v, positions, scale, window, alibi, kept)
        attrs = {"scale": scale} | ({"window": window} if window else {}) | ({"alibi": alibi} if alibi else {})
        attrs |= {"rate": rate, "stream": stream}
        yield q, k, v, [ids(*positions), ids(*seed)], y, lse, floats(*y.shape), attrs
    rng = others


def self_attention():
    return [case([q, k, v, *places], [y, lse], **attrs) for q, k, v, places, y, lse, _, attrs in attentions()]


def self_attention_stats():
    cases = []
    for _, _, _, _, y, lse, dy, _ in attentions():
        y, lse = as_float32(y), as_float32(lse)
        cases.append(case([y, dy, lse], [torch.stack([lse, (y * dy).sum(-1)], dim=-1)]))
    return cases


def attention_grads(wanted):
    cases = []
    for q, k, v, places, y, lse, dy, attrs in attentions():
        stats = torch.stack([lse, (y * dy).sum(-1)], dim=-1)
        grads = torch.autograd.grad(y, wanted(q, k, v), dy)
        cases.append(case([q, k, v, dy, stats, *places], grads, **attrs))
    return cases


def self_attention_grad_q():
    return attention_grads(lambda q, k, v: (q,))


def self_attention_grad_kv():
    return attention_grads(lambda q, k, v: (k, v))


TARGETS = torch.tensor([2, -1, 0, 6])


def cross_entropy():
    logits = floats(4, 7, scale=3)
    loss = F.cross_entropy(logits, TARGETS, ignore_index=-1, reduction="none")
    return [case([logits, ids(*TARGETS.tolist())], [loss])]


def cross_entropy_grad():
    logits, hyper = floats(4, 7, scale=3), torch.tensor([0.375, 0, 0, 0, 0, 0, 0, 0])
    loss = F.cross_entropy(logits, TARGETS, ignore_index=-1, reduction="none")
    (dlogits,) = torch.autograd.grad(loss.sum() * 0.375, logits)
    return [case([logits, ids(*TARGETS.tolist()), hyper], [dlogits, loss])]


def sum_squares():
    x, cases = floats(3, 5), []
    for parts in (1, 2, 4):
        pieces = [x.reshape(-1)[list(piece)] for piece in groups(15, parts)]
        cases.append(case([x], [torch.stack([piece.square().sum() for piece in pieces])], [floats(parts)]))
    return cases


def clip():
    cases = []
    for undo, norm_max in ((1.0, 1.0), (0.125, 0.0), (0.25, 100.0)):
        grads = [floats(3, 4), floats(5), floats(2, 2)]
        parts = torch.stack([g.square().sum() for g in grads])
        norm = torch.cat([g.reshape(-1) for g in grads]).mul(undo).norm()
        factor = undo * min(1.0, norm_max / norm.item()) if norm_max else undo
        hyper = torch.tensor([0, undo, norm_max, 0, 0, 0, 0, 0])
        cases.append(case([parts, hyper], [torch.tensor([norm.item(), factor, 1, 0])]))
    # A sum that F32 does not hold: nothing may be applied.
    hyper = torch.tensor([0, 0.5, 1, 0, 0, 0, 0, 0])
    return cases + [case([torch.tensor([1.0, 3e38, 3e38]), hyper], [torch.zeros(4)])]


def adamw():
    """The third step of torch.optim.AdamW; its second left w, m and v."""
    cases = []
    for beta1, beta2, eps, decay, rate, factor in ((0.875, 0.96875, 2.0**-10, 0.0625, 2.0**-5, 0.25),
                                                   (0.75, 0.9375, 2.0**-20, 0, 2.0**-4, 1.0)):  # fmt: skip
        w = floats(3, 4)
        optimizer = torch.optim.AdamW([w], lr=rate, betas=(beta1, beta2), eps=eps, weight_decay=decay)
        for _ in range(2):
            w.grad = floats(3, 4).detach()
            optimizer.step()
        state = optimizer.state[w]
        with torch.no_grad():
            for t in (w, state["exp_avg"], state["exp_avg_sq"]):
                t.copy_(as_float32(t))
        before = [t.detach().clone() for t in (w, state["exp_avg"], state["exp_avg_sq"])]
        g = floats(3, 4)
        w.grad = g.detach() * factor
        optimizer.step()
        stats, hyper = torch.tensor([1, factor, 1, 0]), [0, 0, 0, rate, 1 / (1 - beta1**3), 1 / (1 - beta2**3), 0, 0]
        attrs = {"beta1": beta1, "beta2": beta2, "eps": eps} | ({"decay": decay} if decay else {})
        after = [w, state["exp_avg"], state["exp_avg_sq"]]
        cases.append(case([g, stats, torch.tensor(hyper, dtype=torch.float64)], after, before, **attrs))
    state = [floats(2, 2), floats(2, 2), floats(2, 2)]
    stats = torch.zeros(4)  # gradients that are no numbers: nothing changes
    return cases + [case([floats(2, 2), stats, torch.tensor(hyper)], state, state, **attrs)]


def main():
    folder = Path(sys.argv[1])
    for op in (fill, copy, scale, dropout, act_grad, glu_grad, rms_norm_grad, layer_norm_grad, sum_parts, add_rows,
               matmul_grad_x, matmul_grad_w, embed_grad, self_attention, self_attention_stats, self_attention_grad_q,
               self_attention_grad_kv, cross_entropy, cross_entropy_grad, sum_squares, clip, adamw,
               route, group, expert_matmul, combine, route_grad, expert_matmul_grad_x, expert_matmul_grad_w,
               combine_grad):  # fmt: skip
        lines = ",\n ".join(json.dumps(made, separators=(",", ":")) for made in op())
        (folder / f"{op.__name__}.json").write_text(f"[{lines}]\n")


main()
