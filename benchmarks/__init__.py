"""Measurements against named rivals. See README.md; run with `make bench NAME=training`."""
