"""How a text has to stand in a file so that a spreadsheet program holds it: what its own export would write."""

from tuneloop.adapters.file_backend.sheets import for_workbook, guarded


def typed(text: str, ending: str) -> str:
    return {".xlsx": for_workbook, ".csv": guarded, ".jsonl": str}[ending](text)
