"""Argilla's search engine on SQLite: full-text tables, filters over Argilla's own tables, numpy for vectors."""
