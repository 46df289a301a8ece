"""Great Expectations suites, and one custom expectation per file."""

import os

# Read by Great Expectations while it is imported; nothing about anybody's data goes out.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
