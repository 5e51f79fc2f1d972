"""Files of the store, and how many rows lie in one."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from gpubox.config.settings import Settings
from gpubox.store.history import WIDTH

SETTINGS = Settings()


def past(seconds: float = 60) -> int:
    """The begin of a row in the past."""
    return int(time.time() - seconds) // WIDTH * WIDTH


def rows_in(path: Path) -> int:
    """How many ten-second rows a file has."""
    connection = sqlite3.connect(path)
    ((count,),) = connection.execute("SELECT count(*) FROM mean_10")
    connection.close()
    assert isinstance(count, int)
    return count
