"""Prefect flows: sequence and branch only."""
