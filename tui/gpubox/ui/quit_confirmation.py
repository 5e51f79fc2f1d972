"""The question before the program quits, about what would end with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gpubox.boxes.box import Box
from gpubox.boxes.desktops import Desktops
from gpubox.boxes.desktops.session import own_sessions
from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.tunnels.tunnel import TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sanitize import clean

_MOST = 6
"""Most names in the question."""


def last_question(boxes: Iterable[Box]) -> Question | None:
    """Return the question before quitting, or None.

    Jobs and desktops of real boxes keep running; tunnels end, and so does everything of the demo.
    """
    open_boxes = list(boxes)
    for box in open_boxes:
        ending = [*_at_work(box), *_tunnels(box)] if box.target.kind == "demo" else []
        if ending:
            return Question(
                about=box.name,
                title="Leave the demo?",
                text="The demo box ends with the program, and with it what runs there:\n"
                f"{_listed(ending)}\n\nJobs of a real box go on when you leave.",
                kind=QuestionKind.YES_NO,
                danger=True,
            )
    names = [name for box in open_boxes for name in _tunnels(box)]
    if not names:
        return None
    return Question(
        about="gpubox-tui",
        title="Close the tunnels and leave?",
        text=f"Tunnels end with the program:\n{_listed(names)}\n\nJobs and desktops of the boxes go on.",
        kind=QuestionKind.YES_NO,
    )


def _at_work(box: Box) -> list[str]:
    jobs = [wording.name(record) for record in box.use(Jobs).feed.value if wording.active(record)]
    return jobs + [one.name for one in own_sessions(box.use(Desktops).feed.value)]


def _tunnels(box: Box) -> list[str]:
    """Return the tunnels that are open, or reopen with the link."""
    return [
        clean(f"{tunnel.name} of {box.name}", 60)
        for tunnel in box.use(Tunnels).feed.value
        if tunnel.phase is TunnelPhase.OPEN or (tunnel.phase is TunnelPhase.WAITING and tunnel.port)
    ]


def _listed(names: Sequence[str]) -> str:
    more = [f"and {len(names) - _MOST} more"] if len(names) > _MOST else []
    return "\n".join(f"  {name}" for name in (*names[:_MOST], *more))
