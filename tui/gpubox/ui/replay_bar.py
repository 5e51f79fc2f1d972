"""The first line of a recording's screen: the shown moment, and how it plays."""

from __future__ import annotations

import time

from textual.content import Content

from gpubox.boxes.replay.box import ReplayBox
from gpubox.core.link_state import Phase
from gpubox.ui.link_status import phrase
from gpubox.ui.status_bar import StatusBar, StatusPiece, driver_pieces


class ReplayBar(StatusBar):
    """The state of a recording: no clock of the present, which would be taken for that of the readings."""

    def _left(self) -> list[StatusPiece]:
        box = self.box
        if not isinstance(box, ReplayBox):
            return super()._left()
        sign = "■" if box.ended else "‖" if box.paused else "▶"
        moment = time.strftime("%a %d %b %Y %H:%M:%S", time.localtime(box.position))
        pieces = [
            StatusPiece(0, Content.assemble((sign, "$primary"), " ", (self.target.name, "bold"))),
            StatusPiece(0, Content.styled(" RECORDING ", "bold $text-primary on $primary-muted")),
            StatusPiece(0, Content.styled(moment, "$foreground")),
            StatusPiece(0, Content.styled(_pace(box), "$primary")),
            StatusPiece(3, Content.styled(_place(box), "$foreground-muted")),
        ]
        if self.health.phase is not Phase.LIVE and box.sample.value is not None:
            state = phrase(self.health, box)
            pieces.append(StatusPiece(1, Content.styled(f"{state.sign} {state.words}", state.style)))
        return pieces

    def _right(self) -> list[StatusPiece]:
        sample = self.box.sample.value if self.box else None
        return [] if sample is None else driver_pieces(sample)


def _pace(box: ReplayBox) -> str:
    """Return how it plays: `×2`, `paused ×2`, `at its end`."""
    if box.seeking:
        return "seeking"
    if box.ended:
        return "at its end"
    if not box.paused:
        return f"×{box.speed:g}"
    return "paused" if box.speed == 1 else f"paused ×{box.speed:g}"


def _place(box: ReplayBox) -> str:
    """Return the place in the recording: `3:20 of 59:59`."""
    begin, end = box.recording.begin, box.recording.end
    return f"{_clock(box.position - begin)} of {_clock(end - begin)}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
