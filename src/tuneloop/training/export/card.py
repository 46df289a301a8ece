"""The model card of an export: what it is, where it comes from, how it was checked. No row's text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

USE = {
    "adapter": "Load it with PEFT on exactly this base: `PeftModel.from_pretrained(base, FOLDER)`.",
    "merged": "Load it with transformers: `AutoModelForCausalLM.from_pretrained(FOLDER)`.",
    "gguf": "Serve it with llama.cpp: `llama-server -m FILE`.",
}


def model_card(record: Mapping[str, Any]) -> str:
    """Markdown with the front matter that hubs read; `record` is what goes into export.json."""
    return "\n".join([*_front_matter(record), "", *_body(record), ""])


def _front_matter(record: Mapping[str, Any]) -> list[str]:
    base = record["base"]
    library = "peft" if record["form"] == "adapter" else "transformers"
    lines = [f"license: {base['licence']}"] if base["licence"] else []
    lines += [f"base_model: {base['id']}"] if base["id"] and "/" in base["id"] else []
    return ["---", *lines, f"library_name: {library}", "pipeline_tag: text-generation", "---"]


def _body(record: Mapping[str, Any]) -> list[str]:
    base = record["base"]
    name = base["id"] or "an unrecorded base model"
    lines = [
        f"# Fine-tuned from {name}",
        "",
        USE[record["form"]],
        "",
        f"- base: {name}, revision {base['revision'] or 'none'}, SHA-256 {base['hash']}",
        f"- licence of the base: {base['licence'] or 'not recorded; look it up before you pass this on'}",
        f"- data version: {record['data_version']}",
        f"- model: SHA-256 {record['model_hash']}",
        f"- written by tuneloop {record['tuneloop']}; hashes of all files are in export.json",
    ]
    check = record.get("check")
    if check and "divergence" in check:
        lines.append(
            f"- checked in llama.cpp against the {check['against']}: {check['divergence']:.5f} nats per token over "
            f"{check['tokens']} tokens, {check['same_answers']} of {check['prompts']} greedy answers the same"
        )
    return lines
