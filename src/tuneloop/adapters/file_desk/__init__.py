"""Files as the review desk: JSONL files and spreadsheets that are passed around, for a team that has no server."""

from tuneloop.adapters.file_desk.desk import FileDesk, ReviewFiles
from tuneloop.adapters.file_desk.importing import Fault, Import

__all__ = ["Fault", "FileDesk", "Import", "ReviewFiles"]
