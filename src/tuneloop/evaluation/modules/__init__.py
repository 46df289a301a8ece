"""Metrics as modules of the `evaluate` library, loaded from here without the network: a new file is a new metric.

What they are made of is in scoring/.
"""
