"""Upstream's source archive, which holds the tests that its wheel leaves out."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

REQUIREMENT = "argilla-server==2.8.0"
NAME = "argilla_server-2.8.0"
# As PyPI gives it. The cache lies where other users can write, and what is in the archive gets executed.
SHA256 = "c3ca464f7e024d1232fde23dbd6014e2c82a7cebd0382de03d7cb3cfae71e4b0"


def unpack_into(folder: Path) -> Path:
    """Unpack the archive and return its root; it is fetched by pip unless an earlier run left it."""
    cached = Path(tempfile.gettempdir()) / "argilla-embedded-tests" / f"{NAME}.tar.gz"
    content = _genuine(cached)
    if content is None:
        cached.unlink(missing_ok=True)
        _download(cached.parent)
        content = _genuine(cached)
    if content is None:
        raise RuntimeError(f"{cached} is not the archive of {REQUIREMENT} that these tests were written for")
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return folder / NAME


def _download(folder: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-binary", "argilla-server", "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, REQUIREMENT], check=True)


def _genuine(archive: Path) -> bytes | None:
    content = archive.read_bytes() if archive.is_file() else b""
    return content if hashlib.sha256(content).hexdigest() == SHA256 else None
