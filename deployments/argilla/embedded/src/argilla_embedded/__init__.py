"""A real Argilla server on one machine, with no Docker and no Elasticsearch.

Nothing here imports `argilla_server` at import time: that package reads its settings from the environment the moment
it is imported, so the launcher must have written them first.
"""
