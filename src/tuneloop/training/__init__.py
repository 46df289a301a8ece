"""Fine-tuning: a base model and a data version become an adapter, a merged model and a report.

On a CPU the training step is our own (see `fast`); the rest is TRL's trainers, PEFT and bitsandbytes, which on a GPU do
the step as well. LoRA weights are kept in float32 and used in bf16: with our LoRA product that costs nothing, and a run
that was killed and resumed ends with exactly the weights of one that was not (with bf16 weights it does not).
"""

from tuneloop.training.base_models import folder_hash, prepare_base
from tuneloop.training.fine_tuning import fine_tune

__all__ = ["fine_tune", "folder_hash", "prepare_base"]
