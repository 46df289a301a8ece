"""What a run will need, and what it needed."""
