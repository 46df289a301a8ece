"""Metrics as modules of the `evaluate` library, one folder each, loaded from here without the network."""
