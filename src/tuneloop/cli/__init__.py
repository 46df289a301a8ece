"""The `tuneloop` command."""
