"""Chat templates are programs that came with a model: each is tried on short conversations, in a process with limits.

Jinja's sandbox keeps a template from files and from Python, not from loops within loops. What loops only for some text
of a row is not seen here.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from tuneloop.errors import ModelError
from tuneloop.training import template_trial
from tuneloop.training.model_files import read_json, require_size

WALL_SECONDS = 60
"""On a machine that is busy; the trial has far less time of its own."""
TRIAL = Path(template_trial.__file__)


def require_short_templates(folder: Path) -> None:
    """Render every chat template of a model folder.

    Raises:
        ModelError: one is no template, does not end in time, or writes without end.
    """
    for name, template in chat_templates(folder):
        _require_short(folder, name, template)


def chat_templates(folder: Path) -> Iterator[tuple[str, str]]:
    """(file, template) of all places where transformers looks for one."""
    for name in ("tokenizer_config.json", "processor_config.json", "chat_template.json"):
        if (folder / name).exists():
            found = read_json(folder / name).get("chat_template")
            named = found if isinstance(found, list) else [{"template": found}]
            yield from ((name, one["template"]) for one in named if isinstance(one, dict) and _is_text(one))
    for path in (folder / "chat_template.jinja", *sorted(folder.glob("additional_chat_templates/*.jinja"))):
        if path.exists():
            require_size(path)
            yield str(path.relative_to(folder)), path.read_text(encoding="utf-8", errors="replace")


def _is_text(one: dict[str, Any]) -> bool:
    return isinstance(one.get("template"), str)


def _require_short(folder: Path, name: str, template: str) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(TRIAL)],  # by its path: the package around it takes seconds to import
            input=template.encode("utf-8", "replace"),
            capture_output=True,
            check=False,
            timeout=WALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        _refuse(folder / name, f"does not end within {WALL_SECONDS} s")
    if done.returncode < 0:
        _refuse(
            folder / name,
            f"takes more than {template_trial.CPU_SECONDS} s, or {template_trial.MEMORY_BYTES // 1024**2} MiB, for a "
            "short conversation",
        )
    if done.returncode == template_trial.TOO_LONG:
        _refuse(
            folder / name, f"writes more than {template_trial.MAX_CHARACTERS:,} characters around a short conversation"
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        _refuse(folder / name, f"cannot be used ({said[-1][:200] if said else 'no reason given'})")


def _refuse(file: Path, problem: str) -> NoReturn:
    raise ModelError(f"the chat template in {file} {problem}; replace it by the model's own, or take another base")
