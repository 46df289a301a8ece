"""What a training run may use: this machine as it is, or one from the vendors' data sheets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tuneloop.errors import TrainingError

GIB, TERA, GIGA = 2**30, 1e12, 1e9
MATRIX = 1024
MEASURE_SECONDS = 0.5
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Hardware:
    """One processor (a GPU, or the CPU of a machine).

    `memory_bytes` is what a run may take; `flops` dense bf16 operations a second (a multiply-add is two);
    `bytes_per_second` what goes between processor and its memory.
    """

    name: str
    device: Literal["cpu", "cuda"]
    memory_bytes: float
    flops: float
    bytes_per_second: float


def _gpu(name: str, gib: float, teraflops: float, gigabytes_per_second: float) -> Hardware:
    return Hardware(name, "cuda", gib * GIB, teraflops * TERA, gigabytes_per_second * GIGA)


MACHINES = {
    machine.name: machine
    for machine in (
        # Memory is what the driver leaves a program; rates are dense, without sparsity, from NVIDIA's data sheets:
        _gpu("t4", 14.8, 65, 320),  # Tesla T4 (2019); float16, it has no bf16
        _gpu("l4", 22.2, 121, 300),  # L4 (2023)
        _gpu("a10g", 22.2, 70, 600),  # A10G for Amazon EC2 (2021)
        _gpu("rtx-4090", 23.5, 165.2, 1008),  # Ada GPU architecture white paper, appendix A
        _gpu("a100-40", 39.4, 312, 1555),  # A100 SXM
        _gpu("a100-80", 79.2, 312, 2039),
        _gpu("h100", 79.2, 989.4, 3350),  # H100 SXM
        _gpu("h200", 139.8, 989.4, 4800),
        _gpu("b200", 178.3, 2250, 7700),  # HGX B200, one of eight
    )
}


def named_machine(name: str) -> Hardware:
    """One of `MACHINES`.

    Raises:
        TrainingError: there is none of this name.
    """
    if name not in MACHINES:
        raise TrainingError(f"no hardware {name!r} is known; there are: {', '.join(MACHINES)}, or `this`")
    return MACHINES[name]


def this_machine(threads: int) -> Hardware:
    """What is here: the first GPU, or the CPU with `threads` threads. Measures for about a second."""
    import torch

    if torch.cuda.is_available():
        properties: Any = torch.cuda.get_device_properties(0)
        free = torch.cuda.mem_get_info(0)[0]
        known = _known(properties.name)
        width = known.bytes_per_second if known else properties.total_memory / 30  # as a rule: all of it 30 x a second
        return Hardware(properties.name, "cuda", free, _matmul_rate("cuda", 4 * MATRIX), width)
    from tuneloop.training.plan import free_memory

    return Hardware(_processor(), "cpu", free_memory(), _cpu_rate(threads), 20 * GIGA)


def _known(product: str) -> Hardware | None:
    """The table's machine that a product name such as `NVIDIA A100-SXM4-80GB` means."""
    words = product.lower().replace("rtx ", "rtx-")
    return next((m for name, m in MACHINES.items() if all(part in words for part in name.split("-"))), None)


def _processor() -> str:
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines() if CPU_INFO.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "this CPU")


def _cpu_rate(threads: int) -> float:
    """Of `threads` threads that work side by side, as those of the fast step do."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _matmul_rate("cpu", MATRIX)
    finally:
        torch.set_num_threads(before)


def _matmul_rate(device: str, size: int) -> float:
    """The best rate seen of square bf16 products: what else the machine does can only slow one down."""
    import torch

    left, right = (torch.ones(size, size, dtype=torch.bfloat16, device=device) for _ in range(2))
    shortest, end = float("inf"), time.perf_counter() + MEASURE_SECONDS
    while time.perf_counter() < end or shortest == float("inf"):
        start = time.perf_counter()
        product = left @ right
        float(product[0, 0])  # waits for a GPU
        shortest = min(shortest, time.perf_counter() - start)
    return 2 * size**3 / shortest
