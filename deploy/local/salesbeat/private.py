"""What the suite keeps on this machine is for its own user: data, logs, credentials, Kafka's files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from salesbeat.refusals import Refused

FOLDER = 0o700
WITHIN = ("logs", "mongod", "kafka")
"""Folders of the suite; others that lie there are somebody's own."""
UMASK = 0o077
"""What is started makes files that nobody else may read."""


def make_private(folder: Path) -> None:
    """Make the folder, or tighten one that is there, with the folders in it: nobody else gets through it.

    Raises Refused where it belongs to somebody else, or is one that many share, such as /tmp.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER)
        now = folder.stat()
        if now.st_uid != os.geteuid() or now.st_mode & stat.S_ISVTX:
            raise Refused(
                f"The state folder {folder} is shared or belongs to another user: "
                "name a folder of your own in SALESBEAT_STATE."
            )
        for each in (folder, *(folder / name for name in WITHIN)):
            if each.is_dir() and not (each.is_symlink() and each != folder):
                each.chmod(FOLDER)
    except OSError as error:
        raise Refused(f"The state folder {folder} cannot be made private: {error.strerror or error}.") from None
