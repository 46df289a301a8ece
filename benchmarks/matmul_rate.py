"""What the processor can do at best: the rate of large bf16 matrix products on one thread."""

from __future__ import annotations

import time

SIDES = (1024, 2048)
ROUNDS = 12


def matmul_gflops() -> float:
    """GFLOP/s per CPU-second of the best of some square products, about a second's work.

    The best, because a neighbour on the same core only ever takes from it; call it before and after what is measured.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return max(_rate(side) for side in SIDES)
    finally:
        torch.set_num_threads(threads)


def _rate(side: int) -> float:
    import torch

    a, b = (torch.randn(side, side).to(torch.bfloat16) for _ in range(2))
    out, seconds = torch.empty_like(a), []
    for _ in range(ROUNDS):
        start = time.process_time()
        torch.mm(a, b, out=out)
        seconds.append(time.process_time() - start)
    return 2 * side**3 / min(seconds) / 1e9
