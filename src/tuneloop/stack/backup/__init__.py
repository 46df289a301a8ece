"""A whole workspace in one file, written while the stack runs, and back."""
