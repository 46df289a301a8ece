"""Greedy decoding on CPU, faster than the general-purpose `generate`, for models of the Llama family.

Measured facts that give these files their shape (SmolLM2-135M, bf16, one core with AMX):
- `W @ x.T` is about 1.8 times as fast as `x @ W.T` for the thin batches of decoding, because then the small operand is
  the one that is repacked. So hidden states are features-first, shape (features, tokens), from first layer to last.
- Appending to a cache by concatenation and repeating grouped keys copies the whole cache for every token. Here it is
  written in place, and the query heads of a group read the same keys.
- An arg-max over 49,152 bf16 scores takes longer than the product that made them; `first_best` goes by blocks.
- Weights mapped from a file lie at odd addresses; products run up to 1.4 times as fast from aligned copies.
- What all prompts begin with is read once, prompts are read end to end without padding, finished rows leave the batch.

network.py is the model, prompts.py reads whole texts, batch.py adds token after token.
"""

from tuneloop.evaluation.fast_decoding.batch import generate
from tuneloop.evaluation.fast_decoding.network import FastNetwork, can_run
from tuneloop.evaluation.fast_decoding.prompts import answer_losses

__all__ = ["FastNetwork", "answer_losses", "can_run", "generate"]
