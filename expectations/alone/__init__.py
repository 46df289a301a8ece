"""`python -m expectations.alone FILE...`: check a file as the data gate would, without a recipe, Prefect or a stack."""

from expectations.alone.command import main

__all__ = ["main"]
