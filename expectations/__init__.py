"""Great Expectations suites, one custom expectation per file, and the library's Validator."""

import os

# Read by Great Expectations while it is imported; nothing about the data goes out.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
