"""Generation, metrics, intervals and the promotion gate."""
