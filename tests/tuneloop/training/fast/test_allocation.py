"""Freed memory stays with the process."""

from __future__ import annotations

import resource
import sys

import pytest
import torch

from tuneloop.training.fast.threaded_trainer import keep_freed_memory

pytestmark = pytest.mark.integration

MEGABYTES = 64
PAGES = MEGABYTES * 256


def faults_of_filling_and_freeing() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(MEGABYTES << 18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc is told")
def test_what_is_freed_comes_back_without_page_faults() -> None:
    if not keep_freed_memory():
        pytest.skip("not glibc")
    faults = [faults_of_filling_and_freeing() for _ in range(8)]
    assert max(faults[4:]) < PAGES / 10
