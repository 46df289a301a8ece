"""Rounds of the loop: kept, tabulated, drawn."""
