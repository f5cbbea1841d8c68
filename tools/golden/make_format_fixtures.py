#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes test/data/gguf, test/data/safetensors and test/data/hf-sharded with the formats' own Python packages.

Run from the repository's root with the PyPI packages gguf 0.19.0, safetensors 0.8.0 and numpy. The C tests hold the
same values as written here: element i of a tensor of n elements is i - n / 2, or i / 8 - 1 where halves can say it.
"""

import json
import pathlib
import shutil

import gguf
import numpy as np
import safetensors
import safetensors.numpy

DATA = pathlib.Path("test/data")
T = gguf.GGUFValueType


def ramp(shape, dtype):
    n = int(np.prod(shape))
    return (np.arange(n) - n // 2).astype(dtype).reshape(shape)


def eighths(shape, dtype):
    return (np.arange(int(np.prod(shape))) / 8 - 1).astype(dtype).reshape(shape)


def write_gguf_types(path):
    w = gguf.GGUFWriter(path, "test")
    w.add_custom_alignment(64)
    w.add_uint8("t.u8", 200)
    w.add_int8("t.i8", -100)
    w.add_uint16("t.u16", 60000)
    w.add_int16("t.i16", -30000)
    w.add_uint32("t.u32", 4000000000)
    w.add_int32("t.i32", -2000000000)
    w.add_uint64("t.u64", 2**64 - 1)
    w.add_int64("t.i64", -(2**63))
    w.add_float32("t.f32", 0.5)
    w.add_float64("t.f64", 0.1)
    w.add_bool("t.true", True)
    w.add_bool("t.false", False)
    w.add_string("t.string", "caf\u00e9")
    for name, kind, values in [
        ("u8", T.UINT8, [0, 255]),
        ("i8", T.INT8, [-128, 127]),
        ("u16", T.UINT16, [0, 65535]),
        ("i16", T.INT16, [-32768, 32767]),
        ("u32", T.UINT32, [0, 2**32 - 1]),
        ("i32", T.INT32, [-(2**31), 2**31 - 1]),
        ("u64", T.UINT64, [1, 2**64 - 1]),
        ("u64_small", T.UINT64, [1, 2**63 - 1]),
        ("i64", T.INT64, [-(2**63), 2**63 - 1]),
        ("f32", T.FLOAT32, [-0.5, 1.5]),
        ("f64", T.FLOAT64, [0.1, -1e300]),
        ("bool", T.BOOL, [True, False, True]),
        ("string", T.STRING, ["<s>", "", "\u0120the"]),
    ]:
        w.add_key_value("a." + name, values, T.ARRAY, sub_type=kind)
    w.add_tensor("f32", ramp((2, 3), np.float32))
    w.add_tensor("f16", eighths((5,), np.float16))
    w.add_tensor("i8", ramp((3, 1), np.int8))
    w.add_tensor("i32", ramp((2, 2, 2), np.int32))
    w.add_tensor("four.dims", ramp((2, 3, 4, 5), np.float32))
    for kind in (gguf.GGMLQuantizationType.BF16, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_0):
        w.add_tensor(kind.name.lower(), gguf.quants.quantize(ramp((2, 64), np.float32), kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_gguf_split(folder):
    w = gguf.GGUFWriter(folder / "split.gguf", "test", split_max_tensors=2)
    w.add_uint32("test.block_count", 5)
    for i in range(5):
        w.add_tensor(f"blk.{i}.weight", ramp((2, 4), np.float32) + i)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_safetensors(path):
    tensors = {
        "f32": ramp((2, 3), np.float32),
        "f16": eighths((5,), np.float16),
        "i8": ramp((3, 1), np.int8),
        "u8": np.arange(4, dtype=np.uint8),
        "i32": ramp((2, 2, 2), np.int32),
        "scalar": np.array(2.5, dtype=np.float32),
        "mask": np.tril(np.ones((3, 3), dtype=bool)),
        "steps": np.array([7, 8], dtype=np.int64),
        "double": np.array([0.1], dtype=np.float64),
    }
    safetensors.numpy.save_file(tensors, path, metadata={"format": "np", "note": "caf\u00e9"})


def write_sharded(source, folder):
    """The tensors of hf-tiny/llama in three files, bytes unchanged (NumPy has no bfloat16, so they travel as raw)."""
    for name in ("config.json", "generation_config.json"):
        shutil.copy(source / name, folder / name)
    raw = sorted(safetensors.deserialize((source / "model.safetensors").read_bytes()), key=lambda item: item[0])
    n_files, weight_map = 3, {}
    for k in range(n_files):
        name = f"model-{k + 1:05}-of-{n_files:05}.safetensors"
        part = {key: info for i, (key, info) in enumerate(raw) if i * n_files // len(raw) == k}
        arrays = {key: np.frombuffer(bytes(info["data"]), dtype=np.uint16) for key, info in part.items()}
        specs = {
            key: safetensors.TensorSpec(
                dtype="bfloat16", shape=part[key]["shape"], data_ptr=array.ctypes.data, data_len=array.nbytes
            )
            for key, array in arrays.items()
        }
        (folder / name).write_bytes(safetensors.serialize(specs, {"format": "pt"}))
        weight_map.update({key: name for key in part})
    size = sum(len(info["data"]) for _, info in raw)
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def main():
    for name in ("gguf", "safetensors", "hf-sharded/llama"):
        (DATA / name).mkdir(parents=True, exist_ok=True)
    write_gguf_types(DATA / "gguf/types.gguf")
    write_gguf_split(DATA / "gguf")
    write_safetensors(DATA / "safetensors/types.safetensors")
    write_sharded(DATA / "hf-tiny/llama", DATA / "hf-sharded/llama")


main()
