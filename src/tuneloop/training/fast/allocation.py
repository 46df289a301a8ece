"""Memory that a training step frees is wanted again by the next: glibc is told to keep it.

By default every tensor of a megabyte is a mapping of its own, or the end of a heap that is cut off: at each layer the
kernel hands out fresh pages, zeroes them, and none of them is in a cache. Measured in docs/training-speed.md.
"""

from __future__ import annotations

import ctypes

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
NEVER = 2**31 - 1
GIBIBYTE, MOST_BEFORE_GLIBC_2_35 = 1 << 30, 32 << 20


def keep_freed_memory() -> bool:
    """For the rest of the process; call it before threads are started. False where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mallopt(M_ARENA_MAX, 1)  # other arenas give a heap back when it is empty, whatever is set
    mallopt(M_TRIM_THRESHOLD, NEVER)
    return bool(mallopt(M_MMAP_THRESHOLD, GIBIBYTE) or mallopt(M_MMAP_THRESHOLD, MOST_BEFORE_GLIBC_2_35))
