"""Files as the review desk: JSONL files and spreadsheets that are passed around, for a team that has no server."""

from tuneloop.adapters.file_desk.desk import FileDesk, ReviewFiles
from tuneloop.adapters.file_desk.importing import Fault, Import, sets_in

__all__ = ["Fault", "FileDesk", "Import", "ReviewFiles", "sets_in"]
