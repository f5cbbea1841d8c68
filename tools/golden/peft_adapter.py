#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes test/data/train/peft-<family>: LoRA adapters as PEFT writes them, and PyTorch's logits with them.

    HF_HUB_OFFLINE=1 peft_adapter.py       (needs peft, transformers, torch)
"""

import base64
import json
import pathlib
import shutil

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

DATA = pathlib.Path(__file__).resolve().parents[2] / "test/data"
FAMILIES = {
    "llama": (["q_proj", "k_proj", "down_proj"], {}),
    "gpt2": (["attn.c_attn", "mlp.c_proj"], {"fan_in_fan_out": True, "use_rslora": True}),
}


def make(family, targets, options):
    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(DATA / "hf-tiny" / family, dtype=torch.float32)
    base.name_or_path = f"hf-tiny/{family}"
    config = LoraConfig(r=2, lora_alpha=3, target_modules=targets, task_type="CAUSAL_LM", **options)
    model = get_peft_model(base, config)
    for name, tensor in model.named_parameters():
        if "lora_" in name:
            tensor.data.copy_((torch.randn_like(tensor) * 0.25).bfloat16().float())
    out = DATA / "train" / f"peft-{family}"
    shutil.rmtree(out, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = f"hf-tiny/{family}"
    model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    (out / "adapter_model.safetensors").chmod(0o644)
    ids = json.loads((DATA / "hf-tiny" / family / "reference.json").read_text())["prompts"][0]["ids"][:8]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].float().contiguous().numpy()
    reference = {"ids": ids, "shape": list(logits.shape), "f32": base64.b64encode(logits.tobytes()).decode()}
    (out / "reference.json").write_text(json.dumps(reference) + "\n")


for name, (modules, extra) in FAMILIES.items():
    make(name, modules, extra)
