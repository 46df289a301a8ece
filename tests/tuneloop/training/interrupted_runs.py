"""Runs in processes of their own that end badly: killed, or on a disk without room.

A fork server imports torch once; each run is a fork of it. Where a run is killed is told by Python's audit events (each
file that is opened, renamed or removed is one), so that nothing of the code under test has to be replaced.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
PRELOADED = [
    "tuneloop.training.building",
    "tuneloop.training.export.merging",
    "bitsandbytes",
    "datasets",
    "pyarrow.parquet",
]
DISK_BYTES = 4_000_000
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Moment:
    """Just before the file event number `number` that is `event` (any, if empty) on a path below `out` with `part`."""

    part: str = ""
    event: str = ""
    number: int = 1

    def before(self, out: Path, act: Callable[[], None]) -> None:
        left = [self.number]

        def hook(event: str, given: tuple[Any, ...]) -> None:
            if event not in FILE_EVENTS or self.event not in {"", event}:
                return
            path = str(given[0])
            if left[0] and path.startswith(str(out)) and self.part in path:
                left[0] -= 1
                if not left[0]:
                    act()

        sys.addaudithook(hook)


def in_a_fork(target: Callable[..., None], *arguments: Any, kill_after_seconds: float | None = None) -> int:
    """Run `target` in a fork of a process that has imported torch; returns its exit code (negative: the signal)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join(kill_after_seconds)
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def train(arguments: Arguments, killed_at: Moment | None = None) -> None:
    """One run of `fine_tune`."""
    from tuneloop.training import fine_tune

    if killed_at is not None:
        killed_at.before(arguments["out"], lambda: os.kill(os.getpid(), signal.SIGKILL))
    fine_tune(**arguments)


def train_on_a_full_disk(arguments: Arguments, full_at: Moment, spare: int, answer: Path) -> None:
    """The folder of `out` is a disk of its own. At the moment somebody fills it up to `spare` bytes, and when the run
    has failed they make room again."""
    out: Path = arguments["out"]
    filler = out.parent / "filler"
    _make_small_disk(out.parent)
    full_at.before(out, lambda: _fill(filler, spare))
    answer.write_text(json.dumps(_fail_and_go_on(arguments, filler.unlink)))


def train_with_a_limit_on_files(arguments: Arguments, limit_at: Moment, spare: int, answer: Path) -> None:
    """From the moment on no file may be larger than `spare` bytes, until the run has failed."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit_at.before(
        arguments["out"], lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (spare, resource.RLIM_INFINITY))
    )
    no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    answer.write_text(
        json.dumps(_fail_and_go_on(arguments, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, no_limit)))
    )


def _fail_and_go_on(arguments: Arguments, make_room: Callable[[], None]) -> dict[str, Any]:
    """What the failing run said, what it left, and how the second one ended."""
    from tuneloop.errors import TrainingError
    from tuneloop.training import fine_tune

    out: Path = arguments["out"]
    said = ""
    try:
        fine_tune(**arguments)
    except TrainingError as error:
        said = str(error)
    left = sorted(str(path.relative_to(out)) for path in out.glob("**/*") if path.is_dir())
    make_room()
    report = fine_tune(**arguments)
    return {"said": said, "left": left, "report": report.model_dump_json(), "adapter": adapter_hash(out)}


def adapter_hash(out: Path) -> str:
    return hashlib.sha256((out / "adapter" / "adapter_model.safetensors").read_bytes()).hexdigest()


def kernel_refuses_small_disks() -> bool:
    """Whether a user here may not mount a file system of his own (some containers forbid it)."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode != 0
    except FileNotFoundError:
        return True


def _make_small_disk(folder: Path) -> None:
    """Mount one for this process alone, as an ordinary user may in a namespace of his own."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(libc.mount(b"none", str(folder).encode(), b"tmpfs", 0, f"size={DISK_BYTES}".encode()))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _fill(filler: Path, spare: int) -> None:
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))
    os.truncate(filler, filler.stat().st_size - spare)
