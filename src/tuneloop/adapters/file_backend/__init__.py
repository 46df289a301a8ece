"""Files as the review desk: JSONL files and spreadsheets that are passed around, for a team that has no server."""

from tuneloop.adapters.file_backend.backend import FileDesk, ReviewFiles
from tuneloop.adapters.file_backend.importing import Fault, Import, sets_in

__all__ = ["Fault", "FileDesk", "Import", "ReviewFiles", "sets_in"]
