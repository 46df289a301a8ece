"""The collecting process of `benchmarks/review_kills.py`: what the collecting flow does, over and over, until killed.

ARGILLA_API_KEY=... python -m benchmarks.review_collector URL PROJECT FOLDER [--once]
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.errors import ServiceError
from tuneloop.review.collecting import collect

PAUSE_SECONDS = 0.5
PSEUDONYM_KEY = b"of the kill test"


def main(url: str, project: str, folder: Path, *, once: bool) -> None:
    """Read all answers and merge them into the folder; a server that is away is asked again a moment later."""
    backend = ArgillaBackend(url, os.environ["ARGILLA_API_KEY"], pseudonym_key=PSEUDONYM_KEY)
    while True:
        try:
            collect(backend.answers(project), folder=folder)
        except ServiceError:
            if once:
                raise
        if once:
            return
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), once="--once" in sys.argv)
