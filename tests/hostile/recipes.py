"""Recipes that are bombs, damaged or absurd, each made in a few lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

GOOD = """name: tea
data:
  sources:
    - {name: rows, path: rows.jsonl}
model:
  base: BASE
training:
  epochs: 2
"""


def text(content: str | bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)) + GOOD
MERGES = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))

RECIPES: Mapping[str, tuple[str, Callable[[Path], object]]] = {
    "a folder as a recipe": ("folder.yaml", lambda p: p.mkdir()),
    "a pipe as a recipe": ("pipe.yaml", os.mkfifo),
    "a recipe without end": ("zero.yaml", lambda p: p.symlink_to("/dev/zero")),
    "a recipe in Latin-1": ("latin.yaml", text(b"name: caf\xe9\n")),
    "a recipe nested deep": ("deep.yaml", text("name: " + "[" * 100_000)),
    "a recipe indented deep": ("steps.yaml", text("".join(" " * n + "a:\n" for n in range(500)))),
    "a recipe of aliases that multiply": ("laughs.yaml", text(LAUGHS)),
    "a recipe of merges that multiply": ("merges.yaml", text(MERGES + GOOD)),
    "a recipe that contains itself": ("self.yaml", text("name: &a [*a]\n")),
    "a recipe of 100 MiB": ("large.yaml", text(b"# x\n" * (25 * 1024**2))),
    "a key twice": ("twice.yaml", text(GOOD + "  epochs: 3\n")),
    "no finite number": ("inf.yaml", text(GOOD.replace("epochs: 2", "epochs: .inf"))),
    "no number": ("nan.yaml", text(GOOD.replace("epochs: 2", "learning_rate: .nan"))),
    "a billion epochs": ("billion.yaml", text(GOOD.replace("epochs: 2", "epochs: 1000000000"))),
    "a number near the end of all numbers": ("end.yaml", text(GOOD.replace("epochs: 2", "weight_decay: 1e308"))),
    "a number of 5,000 digits": ("digits.yaml", text(GOOD.replace("epochs: 2", "lora_rank: 1" + "0" * 5000))),
    "a negative size": ("minus.yaml", text(GOOD.replace("epochs: 2", "batch_size: -8"))),
    "a control character": ("bell.yaml", text(GOOD.replace("rows,", '"ro\\aws",'))),
    "a raw control character": ("raw.yaml", text(GOOD.replace("tea", "t\x07ea"))),
    "half a character": ("half.yaml", text(GOOD.replace("BASE", '"\\ud800"'))),
    "a name of 300 letters": ("long.yaml", text(GOOD.replace("tea", "t" * 300))),
    "code in a recipe": ("code.yaml", text("name: !!python/object/apply:os.system [id]\n")),
    "an empty recipe": ("empty.yaml", text("")),
    "a recipe that is a list": ("list.yaml", text("- name: tea\n")),
    "a recipe that is a picture": ("picture.yaml", lambda p: p.write_bytes(b"\x89PNG\r\n" + os.urandom(5000))),
}
