"""Rows in: reading, checking, de-duplicating, splitting and keeping versions of them."""
