"""Reports of a data version."""
