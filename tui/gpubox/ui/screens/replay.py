"""The screen of a recording: that of a box, with keys to move in time."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from gpubox.boxes.fleet import Fleet
from gpubox.boxes.replay.box import ReplayBox
from gpubox.core.target import Target
from gpubox.ui.replay_bar import ReplayBar
from gpubox.ui.screens.box import BoxScreen

_NEEDS_BOX = frozenset({"retry", "launch", "window"})
"""Actions of a box's screen that a recording does not have."""


class ReplayScreen(BoxScreen):
    """A recording. Whatever would run on the box says that it cannot."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", id="replay.pause", tooltip="Pause, or play on"),
        Binding("comma", "seek(-10)", "Back", id="replay.back", tooltip="Go back 10 seconds"),
        Binding("full_stop", "seek(10)", "Forward", id="replay.forward", tooltip="Go forward 10 seconds"),
        Binding(
            "left_parenthesis,shift+left",
            "seek(-60)",
            "Back 1 min",
            show=False,
            id="replay.minute-back",
            tooltip="Go back a minute",
        ),
        Binding(
            "right_parenthesis,shift+right",
            "seek(60)",
            "Forward 1 min",
            show=False,
            id="replay.minute-forward",
            tooltip="Go forward a minute",
        ),
        Binding(
            "circumflex_accent,ctrl+home",
            "edge(0)",
            "Beginning",
            show=False,
            id="replay.begin",
            tooltip="Go to the first reading",
        ),
        Binding(
            "dollar_sign,ctrl+end",
            "edge(1)",
            "End",
            show=False,
            id="replay.end",
            tooltip="Go to the last reading",
        ),
        Binding("left_curly_bracket", "pace(0.5)", "Slower", id="replay.slower", tooltip="Play half as fast"),
        Binding("right_curly_bracket", "pace(2)", "Faster", id="replay.faster", tooltip="Play twice as fast"),
        Binding(
            "n,d,D,G,M,s,x,X",
            "explain",
            "No box",
            show=False,
            id="replay.explain",
            tooltip="Say that nothing runs in a recording",
        ),
    ]

    def __init__(self, target: Target, fleet: Fleet) -> None:
        super().__init__(target, fleet)
        self._state = ReplayBar(target)

    def _replay(self) -> ReplayBox | None:
        """Return the recording, once it is opened."""
        return self.box if isinstance(self.box, ReplayBox) else None

    def action_pause(self) -> None:
        """Pause, or play on."""
        if (box := self._replay()) is not None:
            box.pause()
            self._state.tick()

    def action_seek(self, seconds: float) -> None:
        """Move in time."""
        if (box := self._replay()) is not None:
            box.seek(box.position + seconds)
            self._state.tick()

    def action_edge(self, end: int) -> None:
        """Go to the first or to the last reading."""
        if (box := self._replay()) is not None:
            box.seek(box.recording.end if end else box.recording.begin)
            self._state.tick()

    def action_pace(self, factor: float) -> None:
        """Play faster or slower."""
        if (box := self._replay()) is not None:
            box.play_at(box.speed * factor)
            self._state.tick()

    def action_explain(self) -> None:
        """Say that nothing runs in a recording."""
        self.notify("This is a recording: nothing can be started or sent from here", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        return False if action in _NEEDS_BOX else super().check_action(action, parameters)
