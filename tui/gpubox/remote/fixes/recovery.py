"""Brings the journal in order before any request: what a crash left half done is taken back."""

from __future__ import annotations

import time

from gpubox.remote import process_tree
from gpubox.remote.fixes import restore, timer
from gpubox.remote.fixes.journal import HALF
from gpubox.remote.fixes.reason import reason
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Dict, Optional

    from gpubox.remote.fixes.journal import FixJournal, FixRecord


def recover(journal: FixJournal) -> Dict[str, str]:
    """Take back what died half way and what was not proved in time; return why any of that failed, by id.

    The lock is ours, so no request is at work.
    """
    journal.sweep()
    failed = {entry.id: settle(journal, entry) for entry in journal.entries()}
    return {name: why for name, why in failed.items() if why}


def settle(journal: FixJournal, entry: FixRecord) -> str:
    """Bring one entry in order; return why that failed, or ""."""
    try:
        decide(journal, entry)
    except (Refused, OSError) as error:
        return reason(error)
    return ""


def decide(journal: FixJournal, entry: FixRecord) -> None:
    """Take an entry back if it has to be. Raises OSError and Refused."""
    if entry.state in HALF:
        restore.take_back(journal, entry, "undone", force=entry.row.get("force") is True)
    elif entry.state == "guarded" and expired(entry):
        restore.take_back(journal, entry, "rolled-back")
    elif entry.state == "guarded" and not process_tree.alive(entry.row.get("timer")):
        timer.start(journal, entry, recover)


def seconds_left(entry: FixRecord) -> Optional[float]:
    """Return how long a change still waits for its proof; None for one that does not."""
    if entry.state != "guarded":
        return None
    return max(0.0, float(entry.row["deadline"]) - time.monotonic())


def expired(entry: FixRecord) -> bool:
    """Return whether the time for a proof is over; a restart ends it, for then sshd has started with it."""
    return entry.row.get("boot") != process_tree.boot_id() or not seconds_left(entry)


def no_trial(journal: FixJournal, but: str = "") -> None:
    """Refuse to change anything while an entry is unsettled, or waits for its proof."""
    for entry in journal.active(but=but):
        title = str(entry.row.get("title"))
        if entry.state == "guarded":
            raise Refused("Another change waits for its proof", "`%s` is not kept yet" % title, "Wait for it")
        if entry.state in HALF:
            raise Refused(
                "An earlier change is half done",
                "`%s` could not be taken back: %s" % (title, entry.folder),
                "Undo it first",
            )
