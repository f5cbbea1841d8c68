#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes test/data/quant/: golden vectors of the block formats, by the numpy code of the PyPI package `gguf`.

    pip install gguf numpy
    tools/golden/quant_golden.py test/data/quant

For each format NAME:
  NAME.blocks       raw blocks: random codes under ordinary, zero, negative, subnormal and extreme scales
  NAME.f32          what they decode to, float32, little-endian
encode.f32          rows of values to encode
NAME.encoded        the blocks they become (Q8_0, Q4_0, Q4_1, whose reference encoders are plain formulas)
"""

import pathlib
import sys

import gguf
import numpy as np

SEED = 20251121
N_BLOCKS = 12

# Name -> where its half-precision fields lie (bytes).
FORMATS = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
EXACT_ENCODERS = ("Q8_0", "Q4_0", "Q4_1")

# Scales of the first blocks; the others are random. Subnormal halves are under 2^-14.
SCALES = [0.0, -0.0, 2.0**-24, -(2.0**-15), 1.0, -1.0, 65504.0]


def blocks_of(name, rng):
    qtype = gguf.GGMLQuantizationType[name]
    _, block_size = gguf.GGML_QUANT_SIZES[qtype]
    blocks = rng.integers(0, 256, (N_BLOCKS, block_size), dtype=np.uint8)
    blocks[4, :] = 0x00  # the smallest codes, under an ordinary scale
    blocks[5, :] = 0xFF  # the largest
    for field in FORMATS[name]:
        scales = np.concatenate([SCALES, rng.normal(0, 0.05, N_BLOCKS - len(SCALES))]).astype("<f2")
        blocks[:, field : field + 2] = scales.reshape(-1, 1).view(np.uint8)
    return blocks, gguf.dequantize(blocks, qtype).astype("<f4")


def encode_rows(rng):
    """Blocks of 256 values, as weights are and as they rarely are."""
    rows = [rng.normal(0, 0.02, 256) for _ in range(6)]
    rows.append(rng.laplace(0, 0.5, 256))
    rows.append(rng.uniform(0.5, 1.5, 256))  # one sign
    rows.append(-rng.uniform(0.5, 1.5, 256))
    rows.append(np.zeros(256))
    rows.append(np.full(256, 0.375))
    rows.append(np.where(np.arange(256) % 37 == 5, 40.0, rng.normal(0, 0.01, 256)))  # outliers
    rows.append(np.arange(256) % 32 - 15.5)  # ties
    rows.append(rng.normal(0, 1e-6, 256))  # scales below half precision's normal range
    rows.append(rng.normal(0, 20000, 256))
    rows.append(np.tile([1.0, -1.0], 128))  # equal magnitudes of both signs
    return np.array(rows, dtype="<f4")


def main():
    out = pathlib.Path(sys.argv[1])
    rng = np.random.default_rng(SEED)
    for name in FORMATS:
        blocks, values = blocks_of(name, rng)
        assert np.isfinite(values).all()
        (out / f"{name.lower()}.blocks").write_bytes(blocks.tobytes())
        (out / f"{name.lower()}.f32").write_bytes(values.tobytes())
    rows = encode_rows(rng)
    (out / "encode.f32").write_bytes(rows.tobytes())
    for name in EXACT_ENCODERS:
        encoded = gguf.quantize(rows, gguf.GGMLQuantizationType[name])
        (out / f"{name.lower()}.encoded").write_bytes(encoded.tobytes())


main()
