"""Why something failed, in the words of the user's answer."""

from __future__ import annotations

from gpubox.remote.json_io import Refused


def reason(error: BaseException) -> str:
    """Return why something failed, in one line that names the file."""
    if isinstance(error, Refused):
        return error.text
    if isinstance(error, OSError) and error.strerror:
        return "%s: %s" % (error.filename, error.strerror) if error.filename else error.strerror
    return "%s: %s" % (type(error).__name__, error)
