"""A language model as judge of two answers, and whether it may be believed."""
