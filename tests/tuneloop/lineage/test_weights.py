from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tuneloop.errors import ModelError
from tuneloop.lineage.weights import weight_difference

pytestmark = pytest.mark.integration

ONES = torch.ones(2, 3, dtype=torch.bfloat16)


def folder(path: Path, **tensors: torch.Tensor) -> Path:
    path.mkdir()
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, path / "model.safetensors")
    return path


def test_equal_weights_have_no_difference_however_they_are_shared_out(tmp_path: Path) -> None:
    whole = folder(tmp_path / "whole", a=ONES, b=ONES * 2)
    parts = folder(tmp_path / "parts", a=ONES)
    save_file({"b": ONES * 2}, parts / "model-2.safetensors")
    found = weight_difference(whole, parts)
    assert found.is_none
    assert (found.max_absolute, found.tensors) == (0.0, 2)


def test_the_largest_difference_and_how_many_tensors_differ_are_told(tmp_path: Path) -> None:
    changed = ONES.clone()
    changed[1, 2] = 1.5
    found = weight_difference(folder(tmp_path / "x", a=ONES, b=ONES), folder(tmp_path / "y", a=changed, b=ONES))
    assert (found.max_absolute, found.tensors_that_differ, found.is_none) == (0.5, 1, False)


def test_tensors_of_another_name_or_shape_are_unlike(tmp_path: Path) -> None:
    found = weight_difference(
        folder(tmp_path / "x", a=ONES, b=ONES), folder(tmp_path / "y", a=ONES[:1].clone(), c=ONES)
    )
    assert sorted(found.unlike) == ["a", "b", "c"]
    assert not found.is_none


def test_a_weight_that_became_no_number_is_infinitely_far(tmp_path: Path) -> None:
    broken = ONES.clone()
    broken[0, 0] = torch.nan
    found = weight_difference(folder(tmp_path / "x", a=ONES), folder(tmp_path / "y", a=broken))
    assert found.max_absolute == float("inf")


def test_a_folder_without_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no safetensors"):
        weight_difference(folder(tmp_path / "x", a=ONES), tmp_path)
