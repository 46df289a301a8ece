"""Files as the annotation backend: JSONL files and spreadsheets that are passed round, for a team without a server."""

from tuneloop.adapters.file_backend.backend import FileBackend, ReviewFiles
from tuneloop.adapters.file_backend.importing import Fault, Import, sets_in

__all__ = ["Fault", "FileBackend", "Import", "ReviewFiles", "sets_in"]
