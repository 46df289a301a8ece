"""Everything about data: near-duplicates, personal data, the whole gate; each in its own file, one after the other."""

from __future__ import annotations

import subprocess
import sys

PARTS = ("near_duplicates", "personal_data", "validation")


def main() -> None:
    for part in PARTS:
        subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
