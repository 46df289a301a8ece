"""What the model thought of the answers before it learned: computed once, and kept for a run that is taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from tuneloop.files import atomic_path

if TYPE_CHECKING:
    import torch
    from datasets import Dataset


class KeptReference:
    """Goes in front of TRL's DPO and KTO trainers; their datasets come with token ids.

    TRL computes the reference log-probabilities in its constructor. There the model is as it was at the start, on a
    resumed run too, but only up to the rounding of one machine: the file makes them the same numbers.
    """

    args: Any
    accelerator: Any

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset  # it has token ids

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        path = (
            Path(self.args.output_dir) / f"reference-{name}.safetensors"
        )  # among the checkpoints: it goes when they go
        if not path.is_file():
            columns = self.reference(dataset, name, batch_size)
            if self.accelerator.is_main_process:
                with atomic_path(path) as draft:
                    save_file(columns, draft)
        else:
            columns = load_file(path)
        for column, values in columns.items():
            dataset = dataset.add_column(column, values.tolist())
        return dataset

    def reference(self, dataset: Dataset, name: str, batch_size: int) -> dict[str, torch.Tensor]:
        """Columns of log-probabilities of the model as it is, (rows,) each; by TRL's own forward."""
        import torch

        computed = super()._precompute_ref_logps(dataset, name, batch_size)  # type: ignore[misc]
        added = [column for column in computed.column_names if column not in dataset.column_names]
        return {column: torch.tensor(computed[column][:]) for column in added}
