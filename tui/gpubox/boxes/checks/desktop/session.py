"""Whether a desktop environment is installed."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok
from gpubox.boxes.checks.desktop.facts import DesktopFacts
from gpubox.boxes.desktops.session_types import KINDS, missing


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(DesktopFacts)
    found = [kind for kind in KINDS if kind.program in facts.sessions]
    full = [kind.name for kind in found if kind.weight == "full"]
    names = ", ".join(kind.name for kind in found)
    if full:
        return ok(names, value=full[0])
    if found:
        step = f"It serves; for a whole desktop: {missing('session', 'auto', facts.system).hint}"
        return hint(f"Only a window manager: {names}", step, value=found[0].name)
    return hint("No desktop is installed", missing("session", "auto", facts.system).hint, value="no")


CHECK = Check(
    id="desktop.session",
    title="A desktop environment is installed",
    why="A VNC server shows an empty screen until something runs in it. Xfce is small, runs without a GPU "
    "and is what `auto` takes first; its packages are 130 to 150 MB with what they recommend. A window "
    "manager alone, such as openbox, gives windows and no more.",
    command="command -v startxfce4 mate-session gnome-session openbox",
    needs=(DesktopFacts,),
    judge=_judge,
)
