"""Learning from which of two answers people preferred: DPO, KTO and reward models, through TRL's trainers.

The reference that DPO and KTO hold the model to is the model as it was at the start. Its log-probabilities are
computed once and kept with the checkpoints, so that a run which is killed and goes on still compares with the start.
On a CPU the step is our own (see `threaded_trainers`), with the same numbers.
"""

from tuneloop.training.preferences.losses import measures
from tuneloop.training.preferences.pairs import tokenise_pairs
from tuneloop.training.preferences.trainers import make_trainer

__all__ = ["make_trainer", "measures", "tokenise_pairs"]
