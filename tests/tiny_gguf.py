"""The tiny Llama as a GGUF file: llama.cpp's own converter refuses its tokenizer, which it does not know."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

HEADS, KEY_VALUE_HEADS = 4, 2
PARTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def make_tiny_gguf(model: Path, folder: Path, *, scale: float = 1.0) -> Path:
    """Write a model that `make_tiny_model` wrote as float32 GGUF, with its tokenizer beside it; returns `folder`.

    `scale` is what the first layer's `ffn_down` is multiplied by: anything but 1 is a damaged file.
    """
    import gguf
    from safetensors.numpy import load_file

    folder.mkdir(parents=True)
    config = json.loads((model / "config.json").read_text())
    writer = gguf.GGUFWriter(folder / "model-f32.gguf", "llama")
    _write_config(writer, config)
    _write_vocabulary(writer, json.loads((model / "tokenizer.json").read_text())["model"], gguf.TokenType)
    for name, weight in load_file(model / "model.safetensors").items():
        told = _gguf_name(name)
        writer.add_tensor(told, _turned(told, weight) * (scale if told == "blk.0.ffn_down.weight" else 1.0))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    for path in model.iterdir():
        if path.suffix in {".json", ".jinja"}:
            shutil.copy(path, folder)
    return folder


def _write_config(writer: Any, config: dict[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_VALUE_HEADS)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(config["hidden_size"] // HEADS)
    writer.add_vocab_size(config["vocab_size"])


def _write_vocabulary(writer: Any, model: dict[str, Any], kinds: Any) -> None:
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.CONTROL if token.startswith("<|") else kinds.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _gguf_name(name: str) -> str:
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    if name in whole:
        return whole[name]
    _, _, layer, part = name.removesuffix(".weight").split(".", 3)
    return f"blk.{layer}.{PARTS[part]}.weight"


def _turned(name: str, weight: Any) -> Any:
    """llama.cpp turns neighbouring values, transformers the halves of a head."""
    heads = {"attn_q": HEADS, "attn_k": KEY_VALUE_HEADS}.get(name.split(".")[-2])
    if heads is None:
        return weight
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape).copy()
