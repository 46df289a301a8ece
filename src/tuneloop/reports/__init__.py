"""Pages, tables, plots and terminal views, by subject."""
