"""Errors a user can act on. Each message says what went wrong and what to do about it."""


class TuneloopError(Exception):
    """Base of all errors that are the user's to mend; the command line prints them without a traceback."""


class RecipeError(TuneloopError):
    """A recipe file is missing, is not YAML, or asks for something that does not exist."""


class DataError(TuneloopError):
    """The data cannot be used as it is: nothing left after validation, an unreadable source, a blocking finding."""


class ModelError(TuneloopError):
    """A base model is missing, is not safetensors, or its licence is not allowed."""


class TrainingError(TuneloopError):
    """Training cannot start or has gone wrong in a way that a retry will not mend."""


class ServiceError(TuneloopError):
    """A server of the stack (Prefect, MLflow, Argilla) is not there or refuses us."""
