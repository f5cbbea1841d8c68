#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes test/data/ops/<op>.json: small inputs and outputs of every op, computed with NumPy in float64.

    python3 -m venv venv && venv/bin/pip install numpy
    venv/bin/python tools/golden/make_op_golden.py test/data/ops

They are independent truth for the C references: whole-array formulas from the papers named in src/ops, a dense masked
softmax over gathered keys and values where the C code walks pages, complex multiplication where it turns pairs.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

rng = np.random.default_rng(20240607)
PAGE = 64


def floats(*shape, scale=1.0):
    """Random numbers that are floats exactly, with few digits, so that the files stay small."""
    return np.round(rng.standard_normal(shape) * scale * 256) / 256


def tensor(values, dtype="F32"):
    values = np.asarray(values)
    data = values.reshape(-1).tolist()
    if dtype == "I32":
        data = [int(v) for v in data]
    else:
        data = [float(np.float32(v)) for v in data]
        data = [float(np.format_float_positional(np.float32(v), unique=True)) if v else 0.0 for v in data]
    return {"dtype": dtype, "shape": list(values.shape), "data": data}


def case(inputs, outputs, **attrs):
    return {"attrs": attrs, "in": inputs, "out": outputs}


def embed():
    table, ids = floats(7, 5), np.array([6, 0, 3, 3])
    return [case([tensor(table, dtype), tensor(ids, "I32")], [tensor(table[ids])]) for dtype in ("F32", "F16")]


def add():
    a, b, row = floats(3, 5), floats(3, 5), floats(5)
    return [
        case([tensor(a), tensor(b)], [tensor(a + b)]),
        case([tensor(a), tensor(row)], [tensor(a + row)]),
    ]


def rms(x, w, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * w


def layer(x, w, b, eps):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + eps) * w + b


def rms_norm():
    x, w, heads, w_head = floats(3, 7), floats(7), floats(2, 3, 4), floats(4)
    return [
        case([tensor(x), tensor(w)], [tensor(rms(x, w, 0.125))], eps=0.125),
        case([tensor(heads), tensor(w_head)], [tensor(rms(heads, w_head, 2.0**-20))], eps=2.0**-20),
    ]


def layer_norm():
    x, w, b = floats(3, 7) + 2, floats(7), floats(7)
    return [case([tensor(x), tensor(w), tensor(b)], [tensor(layer(x, w, b, 0.125))], eps=0.125)]


def add_rms_norm():
    a, b, w = floats(3, 7), floats(3, 7), floats(7)
    return [case([tensor(a), tensor(b), tensor(w)], [tensor(a + b), tensor(rms(a + b, w, 0.125))], eps=0.125)]


def add_layer_norm():
    a, b, w, bias = floats(3, 7), floats(3, 7), floats(7), floats(7)
    normed = layer(a + b, w, bias, 0.125)
    return [case([tensor(a), tensor(b), tensor(w), tensor(bias)], [tensor(a + b), tensor(normed)], eps=0.125)]


def quantize():
    # A8, as its definition has it: d = max|x| / 127 in a block of 32, q = round(x / d); compared as decoded numbers.
    x = floats(2, 64)
    x[1, 32:] = 0
    blocks = x.reshape(-1, 32)
    d = np.float32(np.abs(blocks).max(axis=1, keepdims=True)) / np.float32(127)
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(d > 0, np.rint(blocks / d.astype(np.float64)), 0)
    return [case([tensor(x)], [tensor((q * d.astype(np.float64)).reshape(x.shape))])]


def matmul():
    x, w, bias = floats(3, 8), floats(5, 8), floats(5)
    return [
        case([tensor(x), tensor(w)], [tensor(x @ w.T)]),
        case([tensor(x), tensor(w, "F16"), tensor(bias)], [tensor(x @ w.T + bias)]),
    ]


def rope_table():
    positions = np.array([0, 1, 5, 4097])
    inv_freq = np.float32(10000.0 ** -(np.arange(3) / 3))
    angles = (positions[:, None].astype(np.float32) * inv_freq[None, :]).astype(np.float64)
    table = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    inputs = [tensor(positions, "I32"), tensor(inv_freq)]
    return [case(inputs, [tensor(table)]), case(inputs, [tensor(table * 1.25)], scale=1.25)]


def rotate(x, angles, pairs):
    """Each pair as a complex number, times e^(i angle)."""
    half = angles.shape[1]
    out = x.copy()
    first = np.arange(half) * 2 if pairs else np.arange(half)
    second = first + 1 if pairs else first + half
    turned = (x[..., first] + 1j * x[..., second]) * np.exp(1j * angles)[:, None, :]
    out[..., first], out[..., second] = turned.real, turned.imag
    return out


def rope():
    cases = []
    for head_dim, half, pairs in ((6, 3, 0), (6, 3, 1), (7, 2, 0), (7, 2, 1)):
        x, angles = floats(2, 3, head_dim), floats(2, half)
        table = np.float32(np.concatenate([np.cos(angles), np.sin(angles)], axis=1))
        attrs = {"rope_pairs": 1} if pairs else {}
        cases.append(case([tensor(x), tensor(table)], [tensor(rotate(x, angles, pairs))], **attrs))
    return cases


def paged(keys, values, page_lists, n_pages):
    """Caches that hold keys[s], values[s] [positions, heads, head_dim] in the pages of sequence s."""
    _, heads, head_dim = keys[0].shape
    k_cache, v_cache = np.zeros((n_pages, heads, head_dim, PAGE)), np.zeros((n_pages, heads, PAGE, head_dim))
    for k, v, pages in zip(keys, values, page_lists):
        for pos in range(len(k)):
            k_cache[pages[pos // PAGE], :, :, pos % PAGE] = k[pos]
            v_cache[pages[pos // PAGE], :, pos % PAGE, :] = v[pos]
    return k_cache, v_cache


def page_table(page_lists):
    width = max(len(pages) for pages in page_lists)
    return np.array([pages + [-1] * (width - len(pages)) for pages in page_lists])


def kv_append():
    # Positions 63 and 64 of one sequence, 2 of another; everything else is zero before and after.
    k, v = floats(3, 2, 2), floats(3, 2, 2)
    positions, seqs, pages = np.array([63, 64, 2]), np.array([0, 0, 1]), [[2, 0], [1]]
    k_cache, v_cache = np.zeros((3, 2, 2, PAGE)), np.zeros((3, 2, PAGE, 2))
    for t, (pos, seq) in enumerate(zip(positions, seqs)):
        k_cache[pages[seq][pos // PAGE], :, :, pos % PAGE] = k[t]
        v_cache[pages[seq][pos // PAGE], :, pos % PAGE, :] = v[t]
    inputs = [tensor(k), tensor(v), tensor(positions, "I32"), tensor(seqs, "I32"), tensor(page_table(pages), "I32")]
    return [case(inputs, [tensor(k_cache, dtype), tensor(v_cache, dtype)]) for dtype in ("F32", "F16")]


def dense_attention(q, k, v, first_pos, scale, window):
    """q [tokens, H, hd] at positions first_pos.., over k and v [positions, Hkv, hd]."""
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = np.einsum("thd,jhd->htj", q, k) * scale
    p = first_pos + np.arange(len(q))[:, None]
    j = np.arange(len(k))[None, :]
    visible = (j <= p) & ((j > p - window) if window else True)
    scores = np.where(visible[None], scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("htj,jhd->thd", weights, v)


def attention():
    cases = []
    for window, dtype in ((0, "F32"), (0, "F16"), (20, "F32")):
        lengths, new, pages = [66, 5], [3, 5], [[2, 0], [1]]
        keys, values = [floats(n, 1, 3) for n in lengths], [floats(n, 1, 3) for n in lengths]
        q = floats(sum(new), 2, 3)
        outs, positions, starts = [], [], [0]
        for k, v, n in zip(keys, values, new):
            first = len(k) - n
            outs.append(dense_attention(q[starts[-1] : starts[-1] + n], k, v, first, 0.5, window))
            positions += range(first, len(k))
            starts.append(starts[-1] + n)
        k_cache, v_cache = paged(keys, values, pages, 3)
        inputs = [tensor(q), tensor(k_cache, dtype), tensor(v_cache, dtype), tensor(positions, "I32"),
                  tensor(starts, "I32"), tensor(page_table(pages), "I32")]  # fmt: skip
        attrs = {"scale": 0.5, "window": window} if window else {"scale": 0.5}
        cases.append(case(inputs, [tensor(np.concatenate(outs))], **attrs))
    return cases


ACTIVATIONS = {
    1: lambda x: x / (1 + np.exp(-x)),
    2: lambda x: x * np.vectorize(lambda z: 0.5 * (1 + math.erf(z / math.sqrt(2))))(x),
    3: lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    4: lambda x: np.maximum(x, 0),
}


def act():
    x = np.concatenate([np.linspace(-6, 6, 25), [0.0, 12.0, -12.0]]).reshape(4, 7)
    return [case([tensor(x)], [tensor(f(x))], act=number) for number, f in ACTIVATIONS.items()]


def glu():
    gate, up = floats(3, 5, scale=2), floats(3, 5)
    return [case([tensor(gate), tensor(up)], [tensor(f(gate) * up)], act=number) for number, f in ACTIVATIONS.items()]


def take_rows():
    x, rows = floats(4, 3), np.array([3, 0, 3])
    return [case([tensor(x), tensor(rows, "I32")], [tensor(x[rows])])]


def linear():
    """Bits of `linear`: 1 a norm, 2 its shift (a layer norm), 4 a bias, 8 a residual connection, 16 the product is a gate and
    what it gates."""
    cases = []
    for parts, act in ((0, 0), (1, 0), (5, 0), (8, 0), (12, 0), (13, 0), (17, 1), (3, 0), (7, 3), (15, 0), (4, 4)):
        x, w, norm, shift, bias, residual = floats(2, 5), floats(4, 5), floats(5), floats(5), floats(4), floats(2, 4)
        h = layer(x, norm, shift, 0.125) if parts & 2 else rms(x, norm, 0.125) if parts & 1 else x
        y = h @ w.T + (bias if parts & 4 else 0) + (residual if parts & 8 else 0)
        inputs = [x, w] + [t for bit, t in ((1, norm), (2, shift), (4, bias), (8, residual)) if parts & bit]
        attrs = {"linear": parts, "eps": 0.125} if parts & 1 else {"linear": parts} if parts else {}
        if parts & 16:
            y = ACTIVATIONS[act](y[:, :2]) * y[:, 2:]
        elif act:
            y = ACTIVATIONS[act](y)
        if act:
            attrs["act"] = act
        cases.append(case([tensor(t) for t in inputs], [tensor(y)], **attrs))
    return cases


def turn(x, angles, adjacent):
    """x [tokens, heads, hd] by angles [tokens, pairs], as complex numbers."""
    n = angles.shape[1]
    first, second = (slice(0, 2 * n, 2), slice(1, 2 * n, 2)) if adjacent else (slice(0, n), slice(n, 2 * n))
    z = (x[..., first] + 1j * x[..., second]) * np.exp(1j * angles)[:, None, :]
    turned = x.copy()
    turned[..., first], turned[..., second] = z.real, z.imag
    return np.float64(np.float32(turned))


def rope_attention():
    """Sequences from their first position on: the caches begin empty. Bits of `heads`: 1 rope, 2 a norm before it."""
    cases = []
    for heads, window, adjacent, n_pairs in ((1, 0, 0, 2), (1, 3, 1, 2), (1, 2, 0, 1), (0, 2, 0, 0), (3, 3, 0, 2), (2, 2, 0, 0)):
        new, pages = ([5, 2], [[1], [0]]) if window else ([66, 2], [[2, 0], [1]])
        positions, starts, n_all = [], [0], sum(new)
        q, k, v = floats(n_all, 2, 4), floats(n_all, 1, 4), floats(n_all, 1, 4)
        for n in new:
            positions += range(n)
            starts.append(starts[-1] + n)
        angles = np.array(positions)[:, None] * np.array([0.5, 0.0625])[None, :n_pairs]
        x = np.concatenate([t.reshape(n_all, -1) for t in (q, k, v)], axis=1)
        norms = floats(8)
        if heads & 2:
            q, k = rms(q, norms[:4], 0.125), rms(k, norms[4:], 0.125)
        q_turned, k_turned = turn(q, angles, adjacent), turn(k, angles, adjacent)
        parts = [slice(a, b) for a, b in zip(starts, starts[1:])]
        out = np.concatenate([dense_attention(q_turned[s], k_turned[s], v[s], 0, 0.5, window) for s in parts])
        k_cache, v_cache = paged([k_turned[s] for s in parts], [v[s] for s in parts], pages, sum(map(len, pages)))
        table = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
        inputs = [tensor(x), tensor(positions, "I32"), tensor(starts, "I32"), tensor(page_table(pages), "I32")]
        inputs += [tensor(t) for bit, t in ((1, table), (2, norms)) if heads & bit]
        attrs = {"scale": 0.5} | ({"window": window} if window else {}) | ({"rope_pairs": 1} if adjacent else {})
        attrs |= ({"heads": heads} if heads else {}) | ({"eps": 0.125} if heads & 2 else {})
        cases.append(case(inputs, [tensor(out), tensor(k_cache), tensor(v_cache)], **attrs))
    return cases


def sample():
    """Draws by a softmax in floats: the largest k logits, then top_p and min_p of their weights at temperature 1, then the id
    where the running sum passes the random number. Each stands clear of its boundaries, so that rounding decides none."""
    cases = []
    for k, temperature, top_p, min_p in ((1, 1, 0, 0), (4, 1, 0, 0), (8, 0.5, 0, 0), (8, 2, 0.75, 0), (8, 1, 0, 0.125), (3, 4, 0.5, 0.25)):
        logits, picks, picked = floats(4, 12, scale=2), [], [0] * 5
        for row in range(4):
            slot, word = (row * 2 + 1) % 5, int(rng.integers(1, 1 << 16)) << 16
            order = np.argsort(-logits[row], kind="stable")[:k]
            weights = np.exp(logits[row][order] - logits[row][order[0]])
            before = np.cumsum(weights) - weights
            kept = (before < top_p * weights.sum()) | (top_p == 0)
            kept &= weights >= min_p
            order = order[: len(order) if kept.all() else int(np.argmin(kept))]
            chances = np.exp((logits[row][order] - logits[row][order[0]]) / temperature)
            sums = np.cumsum(chances) / chances.sum()
            assert np.abs(sums - word / 2**32).min() > 1e-4 or len(order) == 1
            picked[slot] = int(order[np.argmax(sums > word / 2**32)])
            mantissa, exponent = math.frexp(float(np.float32(math.log2(math.e) / temperature)))
            words = [slot, k, word, int(mantissa * 2**32), exponent - 32, int(top_p * 2**32), int(min_p * 2**31), 0]
            picks.append([w - 2**32 if w >= 2**31 else w for w in words])
        cases.append(case([tensor(logits), tensor(picks, "I32")], [tensor(picked, "I32")]))
    return cases


def main():
    folder = Path(sys.argv[1])
    for op in (embed, add, rms_norm, layer_norm, add_rms_norm, add_layer_norm, quantize, matmul, rope_table, rope,
               kv_append, attention, act, glu, take_rows, linear, rope_attention, sample):  # fmt: skip
        lines = ",\n ".join(json.dumps(made, separators=(",", ":")) for made in op())
        (folder / f"{op.__name__}.json").write_text(f"[{lines}]\n")


main()
