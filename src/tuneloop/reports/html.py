"""HTML pages and Markdown files from templates, and how they get to their places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuneloop.files import PUBLIC, atomic_write
from tuneloop.reports.data.tables import cell
from tuneloop.reports.markdown import code, plain


def render(template: str, **content: Any) -> str:
    """An HTML page; every value is escaped."""
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("tuneloop.reports", "templates")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = cell
    return environment.get_template(template).render(**content).lstrip()


def render_markdown(template: str, **content: Any) -> str:
    """A Markdown file; every value is escaped, but for what is marked as Markdown with the filter `safe`."""
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    environment = Environment(  # noqa: S701 - `finalize` escapes for Markdown; HTML's escapes would show in it
        loader=PackageLoader("tuneloop.reports", "templates"),
        finalize=lambda value: value if isinstance(value, Markup) else plain(cell(value)),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = lambda value: Markup(code(value))  # noqa: S704 - Markdown, escaped for it
    return environment.get_template(template).render(**content).lstrip()


def write_page_file(file: Path, text: str) -> Path:
    """Beside its place first, then in one step: a reader never sees half a page. Broken characters become `?`."""
    atomic_write(file, text, mode=PUBLIC, errors="replace")
    return file
