"""Review sets: choose what reviewers see, and publish it."""
