"""Argilla as the review desk: review sets are datasets of the team's workspace, reviewers are its members."""

from tuneloop.adapters.argilla_desk.desk import ArgillaDesk

__all__ = ["ArgillaDesk"]
