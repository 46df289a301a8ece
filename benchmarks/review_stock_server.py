"""The rival in `benchmarks/review.py`: the same server without `argilla_embedded.speed`, so upstream's code as shipped.

The Argilla environment's Python runs this file with the arguments of `argilla-embedded`. The search engine stays ours,
so the rival pays for no Elasticsearch.
"""

import sys
from types import ModuleType


def main() -> int:
    """Serve, with a module that replaces nothing in the place of the one that replaces upstream's slow functions."""
    nothing = ModuleType("argilla_embedded.speed")
    nothing.apply = lambda: None  # type: ignore[attr-defined]
    sys.modules["argilla_embedded.speed"] = nothing
    from argilla_embedded.cli import main as serve

    return serve()


if __name__ == "__main__":
    sys.exit(main())
