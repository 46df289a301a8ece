"""Rounds, versions of models, promotion and its sealed audit trail."""
