"""What is said before the program ends, where something would end with it."""

from __future__ import annotations

from collections.abc import Iterable

from gpubox.boxes.box import Box
from gpubox.core.ask import Kind, Question
from gpubox.ui.widgets import job_words

_MOST = 6
"""Jobs that are named."""


def last_question(boxes: Iterable[Box]) -> Question | None:
    """Return what is to be asked before the program ends, or None: jobs of real boxes go on by themselves."""
    for box in boxes:
        at_work = [record for record in box.jobs.feed.value if job_words.active(record)]
        if box.target.kind != "demo" or not at_work:
            continue
        names = "\n".join(f"  {job_words.name(record)}" for record in at_work[:_MOST])
        more = f"\n  and {len(at_work) - _MOST} more" if len(at_work) > _MOST else ""
        return Question(
            about=box.name,
            title="Leave the demo?",
            text=f"The demo box ends with the program, and with it what runs there:\n{names}{more}\n\n"
            "Jobs of a real box go on when you leave.",
            kind=Kind.YES_NO,
            danger=True,
        )
    return None
