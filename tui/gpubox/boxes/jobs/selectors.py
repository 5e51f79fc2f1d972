"""Resolves which job a name means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from gpubox.core.errors import RemoteError
from gpubox.core.record import Record
from gpubox.core.sanitize import clean

_COMPARED = 200
"""Most jobs that are searched for a close name."""


def choose(records: Sequence[Record], name: str, box: str) -> Record:
    """Return the job that a word means: an id, its end, a name (the newest of that name), or `last`.

    `records` are newest first. Raises RemoteError with the existing jobs when it matches none, or several.
    """
    word = name.strip()
    if not records:
        raise RemoteError("No such job", f"{box} has no jobs")
    if word == "last":
        return records[0]
    exact = [one for one in records if one.id == word] or [one for one in records if one.spec.name == word]
    if exact and word:
        return exact[0]
    if word.isdecimal():
        fitting = [record for record in records if record.queue_id == word]
        if fitting:
            return fitting[0]
    fitting = [
        one for one in records if len(word) >= 2 and (one.id.endswith(word) or one.id.startswith(word))
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = ", ".join(one.id for one in fitting[:4])
        raise RemoteError("Several jobs", f"{clean(word, 40)} may be {ids} on {box}", "Write more of the id")
    # Comparing is quadratic in the length, which the box controls.
    near = records[:_COMPARED]
    words = [one.id for one in near] + [one.spec.name[:60] for one in near if one.spec.name]
    close = difflib.get_close_matches(word[:60], list(dict.fromkeys(words)), 3, cutoff=0.6)
    hint = (
        f"Did you mean {' or '.join(clean(one, 60) for one in close)}?" if close else "`last` is the newest"
    )
    raise RemoteError("No such job", f"{box} has no job called {clean(word, 40)}", hint)
