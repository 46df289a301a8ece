"""What a run was made with: the code, the machine and the libraries. No names of people, hosts or folders."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DECISIVE = (
    "torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets", "tokenizers", "numpy", "tuneloop",
)  # fmt: skip
"""Libraries whose version may change what a training comes to."""
MEASURING = ("evaluate", "rouge-score", "sacrebleu", "scipy")
"""Libraries that change scores at most, never the model."""
HARMLESS = frozenset({"lock", "cores", *MEASURING})
"""Parts of an environment that change no weight: what a lock pins is compared library by library, and a training is
repeated with the threads it had."""
HASH_DIGITS = 12


def environment_of(root: Path) -> dict[str, str]:
    """What decides the result of a run started now, as short text by name.

    `commit` is the project's Git commit, and `uncommitted` a hash of what differs from it ("" for nothing); both are
    left out where the project is no checkout, as is every library that is not installed.
    """
    libraries = {name: found for name in (*DECISIVE, *MEASURING) if (found := _version(name))}
    machine = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "gpu": _gpu(libraries.get("torch", "")),
    }
    return _code(root) | machine | libraries | _lock(root)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _code(root: Path) -> dict[str, str]:
    """Untracked files are left out: a workspace or notes beside the project are not its code."""
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(root, "diff", "HEAD") or ""
    return {"commit": commit, "uncommitted": _digest(changes.encode()) if changes else ""}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError:  # no git here
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def _cpu() -> str:
    """The model's name: two models of one architecture may round differently, as they have other instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpu(torch_version: str) -> str:
    """`NVIDIA L4 x2`, or "none". Only a torch that could use one is imported to ask."""
    if not torch_version or torch_version.endswith("+cpu"):
        return "none"
    import torch

    if not torch.cuda.is_available():
        return "none"
    return f"{torch.cuda.get_device_name(0)} x{torch.cuda.device_count()}"


def _lock(root: Path) -> dict[str, str]:
    files = sorted((root / "requirements").glob("*.lock"))
    if not files:
        return {}
    return {"lock": _digest(b"".join(file.name.encode() + b"\0" + file.read_bytes() for file in files))}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:HASH_DIGITS]
