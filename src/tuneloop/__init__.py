"""tuneloop: a base LLM and a team's own data become a fine-tuned model that keeps getting better."""

__version__ = "0.1.0"
