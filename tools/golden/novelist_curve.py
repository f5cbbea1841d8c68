# SPDX-License-Identifier: MIT
"""Trains the bundled model's shape in PyTorch from treadle's own start over treadle's own windows, to hold the loss curves
side by side: what is left between them after that is the trainer's doing, and what lies beyond is the recipe's.

    treadle train --config config.json --tokenizer tokenizer.json --data novels-train.txt --seed 1 --out run ...
    VENV/bin/python tools/golden/novelist_curve.py --tokens run/tokens-*.bin --seed 1 --steps 20 --batch 4 --seq 128

Shares no code with treadle: the initial weights (src/train/fresh.h, src/base/rng.h), the order of the windows
(src/train/shuffle.h) and what is in one (src/train/data_reader.h) are written down here a second time, from their
definitions, so a mistake in either shows from the first step on. The tokens come from the file treadle makes of a text
(src/train/token_file.h; also compressed by xz). Only PyTorch and NumPy are needed.

--sampling random takes windows at random places of the stream instead, with replacement and across documents, as many
small trainers do. Prints {"step", "loss", "lr", "grad_norm"} as JSON lines, and to stderr means of 51 steps.
"""

import argparse
import json
import lzma
import pathlib
import struct
import sys
import time

import numpy
import torch
import torch.nn.functional as F
from torch import nn

# models/ORIGIN.md
N_VOCAB, WIDTH, N_LAYERS, HEAD_DIM, N_HEADS, N_KV_HEADS, N_FFN = 4096, 256, 8, 64, 4, 2, 768
NORM_EPS, ROPE_THETA, STD = 1e-5, 10000.0, 0.02
N_WARMUP, CLIP, BETAS, EPS, WEIGHT_DECAY = 200, 1.0, (0.9, 0.95), 1e-8, 0.1
SPARE_ROWS = 8  # of a batch whose shape must not change
U64 = (1 << 64) - 1


# ---- treadle's definitions, in Python


def hash_name(name):
    """FNV-1a of 64 bits, then MurmurHash3's finalizer."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & U64
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCD & U64
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53 & U64
    return h ^ h >> 33


def pcg32(seed, stream, n):
    """The first n numbers of PCG32: states by doubling (state k + m is an affine function of state k), then permuted."""
    step, add = 6364136223846793005, (stream << 1 | 1) & U64
    states = numpy.array([((add + seed) * step + add) & U64], "u8")
    jump, jump_add = step, add
    while states.size < n:
        states = numpy.concatenate([states, states * numpy.uint64(jump) + numpy.uint64(jump_add)])
        jump, jump_add = jump * jump & U64, (jump + 1) * jump_add & U64
    states = states[:n]
    mixed = ((states >> numpy.uint64(18) ^ states) >> numpy.uint64(27)).astype("u4")
    turn = (states >> numpy.uint64(59)).astype("u4")
    return mixed >> turn | mixed << ((32 - turn) % 32).astype("u4")


def normals(seed, name, shape, std):
    """Box-Muller on numbers of 53 bits, both of a pair used."""
    n = int(numpy.prod(shape))
    draws = pcg32(seed, hash_name(name), 4 * ((n + 1) // 2)).astype("u8").reshape(-1, 2, 2)
    uniform = ((draws[..., 0] << numpy.uint64(32) | draws[..., 1]) >> numpy.uint64(11)).astype("f8") * 2.0**-53
    radius, angle = numpy.sqrt(-2 * numpy.log(1 - uniform[:, 0])), 2 * numpy.pi * uniform[:, 1]
    pairs = numpy.stack([radius * numpy.cos(angle), radius * numpy.sin(angle)], 1)
    return torch.from_numpy((std * pairs.reshape(-1)[:n]).astype("f4").reshape(shape))


def mix(x):
    """SplitMix64's finalizer, of an array or of a number."""
    one = not isinstance(x, numpy.ndarray)
    x = numpy.array([x & U64] if one else x, "u8")
    x = (x ^ x >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
    x ^= x >> numpy.uint64(31)
    return int(x[0]) if one else x


GOLDEN = 0x9E3779B97F4A7C15


def epoch_key(seed, epoch):
    return mix(mix(seed + GOLDEN) ^ (epoch * GOLDEN + 1 & U64))


def permutation(n, seed, epoch):
    """Eight rounds of a Feistel network over 4^half numbers; one that lands at n or above goes through again."""
    key, half = epoch_key(seed, epoch), 1
    while half < 32 and 1 << 2 * half < n:
        half += 1
    mask, bits = numpy.uint64((1 << half) - 1), numpy.uint64(half)
    at = numpy.arange(n, dtype="u8")
    todo = numpy.ones(n, bool)
    while todo.any():
        left, right = at[todo] >> bits, at[todo] & mask
        for turn in range(8):
            left, right = right, left ^ mix(numpy.uint64(key + turn * GOLDEN & U64) + right) & mask
        at[todo] = left << bits | right
        todo = at >= n
    return at.astype("i8")


def windows_of(n_tokens, seq, seed):
    """(begin, end) for ever: each epoch cuts the stream at other places and visits its windows in another order."""
    epoch = 0
    while True:
        shift = mix(epoch_key(seed, epoch) + 0x632BE59BD9B4E019) % seq if n_tokens > seq else 0
        for i in permutation((n_tokens + shift + seq - 1) // seq, seed, epoch):
            end = (int(i) + 1) * seq - shift
            yield max(end - seq, 0), min(end, n_tokens)
        epoch += 1


def read_tokens(path):
    """The tokens, and where each document begins, of a token file."""
    data = pathlib.Path(path).read_bytes()
    data = lzma.decompress(data) if data[:6] == b"\xfd7zXZ\0" else data
    magic, version, size, _, counted, n, n_documents, _ = struct.unpack("<8sIIIIQQQ", data[-128:-80])
    if magic != b"TDLTOKEN" or (version, size, counted) != (1, 2, 0):
        sys.exit(f"{path}: not a token file of 16-bit tokens that all count")
    documents = (64 + 2 * n + 63) // 64 * 64
    return numpy.frombuffer(data, "<u2", n, 64), numpy.frombuffer(data, "<u8", n_documents + 1, documents).astype("i8")


# ---- batches: ids and targets (-1: not counted), rows that nothing attends across


def epoch_batches(tokens, documents, batch, seq, seed, n_spare):
    """A document that begins within a window goes to a row of its own, from its left end: so it sees nothing of the one
    before and its positions begin at 0, without any mask. What fills up a row lies behind, where nobody sees it."""
    windows = windows_of(len(tokens), seq, seed)
    while True:
        pieces = []
        for begin, end in (next(windows) for _ in range(batch)):
            inside = documents[(documents > begin) & (documents < end)].tolist()
            pieces += zip([begin, *inside], [*inside, end])
        n_rows = max(batch + n_spare, len(pieces))
        ids, targets = numpy.zeros((n_rows, seq), "i8"), numpy.full((n_rows, seq), -1, "i8")
        for row, (begin, end) in enumerate(pieces):
            last = documents[numpy.searchsorted(documents, begin, "right")]  # the document's end
            ids[row, : end - begin] = tokens[begin:end]
            n = min(end, last - 1) - begin  # the last token of a document has no target
            targets[row, :n] = tokens[begin + 1 : begin + 1 + n]
        yield ids, targets


def random_batches(tokens, batch, seq, seed):
    rng = numpy.random.default_rng(seed)
    while True:
        at = rng.integers(0, len(tokens) - seq, batch)[:, None] + numpy.arange(seq + 1)
        rows = tokens[at].astype("i8")
        yield rows[:, :-1], rows[:, 1:]


# ---- the model: Llama's


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn_norm = nn.RMSNorm(WIDTH, NORM_EPS)
        self.attn_q = nn.Linear(WIDTH, N_HEADS * HEAD_DIM, bias=False)
        self.attn_k = nn.Linear(WIDTH, N_KV_HEADS * HEAD_DIM, bias=False)
        self.attn_v = nn.Linear(WIDTH, N_KV_HEADS * HEAD_DIM, bias=False)
        self.attn_output = nn.Linear(N_HEADS * HEAD_DIM, WIDTH, bias=False)
        self.ffn_norm = nn.RMSNorm(WIDTH, NORM_EPS)
        self.ffn_gate = nn.Linear(WIDTH, N_FFN, bias=False)
        self.ffn_up = nn.Linear(WIDTH, N_FFN, bias=False)
        self.ffn_down = nn.Linear(N_FFN, WIDTH, bias=False)

    def forward(self, x, cos, sin):  # x [batch, seq, WIDTH]; cos, sin [seq, HEAD_DIM]
        h = self.attn_norm(x)
        q, k, v = (f(h).unflatten(-1, (-1, HEAD_DIM)).transpose(1, 2) for f in (self.attn_q, self.attn_k, self.attn_v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (t.repeat_interleave(N_HEADS // N_KV_HEADS, 1) for t in (k, v))
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_output(h.transpose(1, 2).flatten(2))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


def rotate(x, cos, sin):
    """Halves are the pairs' two components, as in Transformers."""
    a, b = x.chunk(2, -1)
    return (x * cos + torch.cat([-b, a], -1) * sin).to(x.dtype)


class Novelist(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embd = nn.Embedding(N_VOCAB, WIDTH)
        self.blk = nn.ModuleList(Layer() for _ in range(N_LAYERS))
        self.output_norm = nn.RMSNorm(WIDTH, NORM_EPS)

    def forward(self, ids, targets, cos, sin):
        """The sum of the targets' losses."""
        x = self.token_embd(ids)
        for layer in self.blk:
            x = layer(x, cos, sin)
        logits = F.linear(self.output_norm(x), self.token_embd.weight)  # tied
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum")

    @torch.no_grad()
    def draw(self, seed):
        for name, p in self.named_parameters():
            if p.dim() == 1:
                p.fill_(1)
                continue
            residual = name.endswith(("attn_output.weight", "ffn_down.weight"))
            p.copy_(normals(seed, name, p.shape, STD / (2 * N_LAYERS) ** 0.5 if residual else STD))


# ---- training


def rate(step, args):
    if step <= N_WARMUP:
        return args.lr * step / N_WARMUP
    if not args.cosine:
        return args.lr
    gone = min((step - N_WARMUP) / (args.cosine - N_WARMUP), 1)
    return args.lr * (0.1 + 0.9 * (1 + numpy.cos(numpy.pi * gone)) / 2)


def train(args):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = args.precision == "tf32"
    tokens, documents = read_tokens(args.tokens)
    if args.sampling == "epoch":
        batches = epoch_batches(tokens, documents, args.batch, args.seq, args.seed, SPARE_ROWS if args.compile else 0)
    else:
        batches = random_batches(tokens, args.batch, args.seq, args.seed)
    model = Novelist()
    model.draw(args.seed)
    model.to(device)
    angles = numpy.outer(numpy.arange(args.seq), ROPE_THETA ** (-numpy.arange(0, HEAD_DIM, 2) / HEAD_DIM))
    angles = torch.from_numpy(numpy.tile(angles, 2)).to(device)
    cos, sin = angles.cos().float(), angles.sin().float()
    loss_of = torch.compile(model) if args.compile else model
    params = list(model.parameters())
    groups = [
        {"params": [p for p in params if p.dim() == 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=BETAS, eps=EPS, fused=device.type == "cuda")
    waiting, losses, began = [], [], time.time()
    for step in range(1, args.steps + 1):
        ids, targets = next(batches)
        n = int((targets >= 0).sum())
        for group in optimizer.param_groups:
            group["lr"] = rate(step, args)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
            loss = loss_of(torch.from_numpy(ids).to(device), torch.from_numpy(targets).to(device), cos, sin) / n
        loss.backward()
        norm = nn.utils.clip_grad_norm_(params, CLIP)
        optimizer.step()
        waiting.append((step, loss.detach(), rate(step, args), norm))
        if step % args.every == 0 or step == args.steps:  # the device is waited for now and then only
            for at, loss, lr, norm in waiting:
                losses.append(loss.item())
                print(json.dumps({"step": at, "loss": losses[-1], "lr": lr, "grad_norm": norm.item()}))
            waiting = []
            sys.stdout.flush()
            print(f"step {step}  loss {losses[-1]:.4f}  {time.time() - began:.1f} s", file=sys.stderr)
    for middle in (m for m in (500, 1000, 2000) if m + 25 <= args.steps):
        print(f"mean of 51 steps round {middle}: {numpy.mean(losses[middle - 26 : middle + 25]):.4f}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", required=True, help="token file of treadle's, also compressed by xz")
    parser.add_argument("--sampling", choices=["epoch", "random"], default="epoch")
    parser.add_argument("--steps", type=int, default=1025)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seq", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--cosine", type=int, default=0, metavar="N", help="down to a tenth by step N; default: constant")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32", help="of products")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--every", type=int, default=50, help="steps between prints")
    train(parser.parse_args())


main()
