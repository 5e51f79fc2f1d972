"""Whether a desktop gets a message bus of its own."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.desktop.facts import DesktopFacts
from gpubox.boxes.desktops.session_types import KINDS


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(DesktopFacts)
    full = [kind.name for kind in KINDS if kind.weight == "full" and kind.program in facts.sessions]
    if not full:
        return not_here("No desktop that needs a message bus is installed")
    if "dbus-run-session" in facts.tools:
        return ok("dbus-run-session starts one for each desktop", value="yes")
    step = (
        "Install dbus (Debian, Ubuntu: sudo apt install dbus dbus-x11; Fedora: sudo dnf install dbus-daemon)"
    )
    return hint(f"{full[0]} gets no message bus of its own: dbus-run-session is missing", step, value="no")


CHECK = Check(
    id="desktop.bus",
    title="A desktop gets its own message bus",
    why="The parts of Xfce, MATE and GNOME talk to each other over D-Bus. A session without a bus of its "
    "own starts slowly, forgets its settings, or shows a dialog with an error; two sessions of one user "
    "that share a bus disturb each other.",
    command="command -v dbus-run-session dbus-launch",
    needs=(DesktopFacts,),
    judge=_judge,
)
