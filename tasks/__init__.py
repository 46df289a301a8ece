"""Prefect tasks: cache keys, retries and artifacts around the library's functions."""

import logging

# The root logger lets only warnings through; what the library reports of its work belongs into a run's log.
for _name in ("tuneloop", "expectations", "tasks"):
    logging.getLogger(_name).setLevel(logging.INFO)
