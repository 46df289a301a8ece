"""Argilla: where reviewers answer, their accounts and its webhooks."""
