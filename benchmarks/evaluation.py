"""Everything about evaluation: metrics and generation, each in its own file, one after the other."""

from __future__ import annotations

import subprocess
import sys

PARTS = ("evaluation_metrics", "evaluation_generation")


def main() -> None:
    for part in PARTS:
        subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
