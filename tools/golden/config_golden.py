# SPDX-License-Identifier: MIT
"""Writes test/data/config/hf_config.json: what Transformers makes of a config.json, for every family that treadle knows.

    python3 -m venv VENV && VENV/bin/pip install gguf torch transformers
    VENV/bin/python tools/golden/config_golden.py

A case is a config and what the model built from it uses (no weights: the model is on the device "meta"): sizes, eps, the
activation, windows, biases, and RoPE's frequencies as its own class computes them. "error": Transformers refuses it.
"""

import dataclasses
import itertools
import json
import pathlib
import re
import warnings

import gguf
import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parents[2] / "test/data/config/hf_config.json"
FAMILIES = ["gpt2", "llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe"]
TINY = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 64,
    "max_position_embeddings": 256,
}
TINY_MOE = {**TINY, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
TINY_GPT2 = {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 64, "n_positions": 256}


def tiny(family, **more):
    sizes = TINY_GPT2 if family == "gpt2" else TINY_MOE if family in ("mixtral", "qwen3_moe") else TINY
    return {"model_type": family, **sizes, **more}


def cases():
    for family in FAMILIES:
        yield {"model_type": family}
        yield tiny(family)
    thetas = [{}, {"rope_theta": 500000.0}]
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    llama3 = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    scalings = [None, {}, {"type": "linear", "factor": 2.0}, yarn, {"rope_type": "default"}, {**llama3, "rope_theta": 7e5}]
    parameters = [
        None,
        {},
        {"rope_type": "default"},
        {"rope_theta": 3e5},
        {"rope_type": "linear", "factor": 4.0, "rope_theta": 2e5},
        {"factor": 3.0},
    ]
    for theta, scaling, parameter in itertools.product(thetas, scalings, parameters):
        more = dict(theta)
        if scaling is not None:
            more["rope_scaling"] = scaling
        if parameter is not None:
            more["rope_parameters"] = parameter
        yield tiny("llama", **more)
    for group in (
        {"type": "linear"},
        {"rope_type": "linear", "type": "yarn", "factor": 2.0},
        {"type": "default", "factor": 2.0},
        {"rope_type": "yarn", "factor": 4.0},
        {"rope_type": "yarn"},
        {**yarn, "attention_factor": 1.5},
        {**yarn, "beta_fast": 16, "beta_slow": 2},
        {**yarn, "beta_fast": 0, "beta_slow": 0},
        {**yarn, "truncate": False},
        {**yarn, "mscale": 0.7, "mscale_all_dim": 1.0},
        {**yarn, "mscale": 1.0},
        {**yarn, "mscale": 0.0, "mscale_all_dim": 1.0},
        {**yarn, "factor": 0.5},
        {k: v for k, v in llama3.items() if k != "original_max_position_embeddings"},
        {k: v for k, v in llama3.items() if k != "low_freq_factor"},
        {k: v for k, v in llama3.items() if k != "factor"},
        {"rope_type": "linear", "factor": 2},
        {"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 1.0},
    ):
        yield tiny("llama", rope_scaling=group)
        yield tiny("qwen3", rope_parameters={**group, "rope_theta": 1e6})
    yield tiny("llama", rope_scaling=yarn, original_max_position_embeddings=128)
    yield tiny("llama", rope_scaling=llama3, original_max_position_embeddings=128)
    yield tiny("llama", rope_scaling={"rope_type": "linear", "factor": 2.0}, original_max_position_embeddings=128)
    yield tiny("mixtral", rope_scaling={"type": "linear", "factor": 2.0})
    yield tiny("mixtral", rope_parameters={"rope_type": "default"})
    for family in FAMILIES[1:]:
        yield tiny(family, sliding_window=7)
        yield tiny(family, sliding_window=None)
        yield tiny(family, sliding_window=7, use_sliding_window=False)
        yield tiny(family, sliding_window=7, use_sliding_window=True)
        yield tiny(family, sliding_window=7, use_sliding_window=True, max_window_layers=1)
        yield tiny(family, use_sliding_window=True, max_window_layers=0)
        yield tiny(family, attention_bias=True)
        yield tiny(family, attention_bias=False)
        yield tiny(family, mlp_bias=True)
        yield tiny(family, tie_word_embeddings=True)
        yield tiny(family, head_dim=32)
        if family in ("llama", "qwen2", "qwen3"):  # the others' classes refuse null
            yield tiny(family, num_key_value_heads=None)
        yield tiny(family, norm_topk_prob=True)
        yield tiny(family, hidden_act="gelu")
    for family in ("qwen2", "qwen3"):
        types = ["sliding_attention", "full_attention"]
        yield tiny(family, sliding_window=7, use_sliding_window=True, max_window_layers=0, layer_types=types)
        yield tiny(family, sliding_window=7, use_sliding_window=False, layer_types=["full_attention"] * 2)
    yield {**tiny("qwen3_moe"), "num_experts": 6}
    yield {**{k: v for k, v in tiny("qwen3_moe").items() if k != "num_local_experts"}, "num_experts": 6}
    yield {**{k: v for k, v in tiny("mixtral").items() if k != "num_local_experts"}, "num_experts": 6}
    yield tiny("gpt2", hidden_size=32)
    yield {**{k: v for k, v in tiny("gpt2").items() if k != "n_embd"}, "hidden_size": 32}
    yield tiny("gpt2", n_inner=80)
    yield tiny("gpt2", n_ctx=64)
    yield tiny("gpt2", intermediate_size=80)
    yield tiny("gpt2", tie_word_embeddings=False)
    yield tiny("gpt2", activation_function="relu")
    yield tiny("gpt2", layer_norm_epsilon=1e-3)
    yield tiny("llama", n_embd=32)
    yield tiny("llama", num_local_experts=0)


def bias(module):
    return module is not None and module.bias is not None


def act_name(act):
    names = {
        "SiLUActivation": "silu",
        "NewGELUActivation": "gelu_tanh",
        "GELUActivation": "gelu",
        "GELUTanh": "gelu_tanh",
        "ReLU": "relu",
        "SiLU": "silu",
    }
    return names[type(act).__name__]


def describe_gpt2(config, model):
    block = model.transformer.h[0]
    return {
        "n_layers": len(model.transformer.h),
        "n_embd": model.transformer.wte.weight.shape[1],
        "n_heads": block.attn.num_heads,
        "n_kv_heads": block.attn.num_heads,
        "head_dim": block.attn.head_dim,
        "n_ff": block.mlp.c_fc.nf,
        "n_ctx": model.transformer.wpe.weight.shape[0],
        "n_vocab": model.transformer.wte.weight.shape[0],
        "norm_eps": block.ln_1.eps,
        "act": act_name(block.mlp.act),
        "tied": config.tie_word_embeddings,
        "windows": [0] * len(model.transformer.h),
    }


def describe_llama(config, model):
    family, layer, n = config.model_type, model.model.layers[0], len(model.model.layers)
    attention, mlp = layer.self_attn, layer.mlp
    experts = family in ("mixtral", "qwen3_moe")
    out = {
        "n_layers": n,
        "n_embd": config.hidden_size,
        "n_heads": config.num_attention_heads,
        "n_kv_heads": config.num_key_value_heads,
        "head_dim": attention.head_dim,
        "n_ctx": config.max_position_embeddings,
        "n_vocab": config.vocab_size,
        "norm_eps": model.model.norm.variance_epsilon,
        "act": act_name(mlp.experts.act_fn if experts else mlp.act_fn),
        "tied": config.tie_word_embeddings,
        "qkv_bias": bias(attention.q_proj),
        "out_bias": bias(attention.o_proj),
        "ffn_bias": not experts and bias(mlp.up_proj),
    }
    if experts:
        out["n_experts"] = mlp.experts.num_experts
        out["n_experts_used"] = mlp.gate.top_k
        out["n_ff_expert"] = mlp.experts.intermediate_dim
        out["experts_renorm"] = getattr(mlp.gate, "norm_topk_prob", True)
    else:
        out["n_ff"] = config.intermediate_size
    if family in ("qwen2", "qwen3"):
        out["windows"] = [(each.self_attn.sliding_window or 0) for each in model.model.layers]
    else:
        out["windows"] = [(config.sliding_window or 0) if family != "llama" else 0] * n
    rope = type(model.model.rotary_emb)(config)
    freq = rope.inv_freq.tolist()
    out["n_rot"] = 2 * len(freq)
    out["freq"] = [[i, freq[i]] for i in sorted({0, 1, len(freq) // 4, len(freq) // 2, len(freq) - 1})]
    out["freq_scale"] = float(rope.attention_scaling)
    return out


def run(config):
    try:
        made = transformers.CONFIG_MAPPING[config["model_type"]].from_dict(json.loads(json.dumps(config)))
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(made)
        return describe_gpt2(made, model) if made.model_type == "gpt2" else describe_llama(made, model)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}"}


def walk(keys):
    for name, value in vars(keys).items():
        if isinstance(value, type):
            yield from walk(value)
        elif isinstance(value, str) and not name.startswith("__"):
            yield value.replace("{arch}", "")


def check_table():
    """Prints the keys of Transformers' classes and of the package gguf that config_keys.def has no row for."""
    text = (OUT.parents[3] / "src/model/config_keys.def").read_text()
    rows = {kind: re.findall(rf'^TDL_KEY_{kind}\("([^"]+)"', text, re.MULTILINE) for kind in ("HF", "GGUF")}
    keys = {"HF": set(), "GGUF": set(walk(gguf.constants.Keys))}
    for family in FAMILIES:
        made = transformers.CONFIG_MAPPING[family]()
        keys["HF"] |= set(made.to_dict()) | {field.name for field in dataclasses.fields(made)} | set(made.attribute_map)
    for kind, names in keys.items():
        known = rows[kind]
        lacking = [k for k in names if not any(k == row or row.endswith("*") and k.startswith(row[:-1]) for row in known)]
        print(kind, "keys without a row:", sorted(lacking))


def main():
    check_table()
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    lines = [json.dumps({"config": config, "expected": run(config)}) for config in cases()]
    made = json.dumps({"transformers": transformers.__version__, "torch": torch.__version__})
    OUT.write_text(f'{{"made_by": {made},\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(len(lines), "cases,", sum('"error"' in line for line in lines), "of them errors")


main()
