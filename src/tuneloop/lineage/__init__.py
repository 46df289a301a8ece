"""Which data made which model, and what changed between two of either."""
