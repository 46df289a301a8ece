"""Reports of an evaluation and its verdict."""
