"""Whether a desktop starts, can be seen and ends, tried for real."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, ok, warning
from gpubox.boxes.checks.trials import DesktopTrial
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    trial = gathered.of(DesktopTrial)
    if trial.missing:
        return hint(trial.error, "gpubox-tui desktop BOX start says what to install", value="not installed")
    if trial.error:
        step = "gpubox-tui desktop BOX start shows the end of its log"
        return failed(f"It does not work: {trial.error}", step, value="fails")
    size = f"{trial.width}x{trial.height}"
    text = f"{clean(trial.server, 40)} showed a picture of {size} after {trial.seconds:.1f} s, and ended"
    if trial.port:
        text = f"{text}; it had to listen on port {trial.port} of the box, with a password"
        return warning(text, "Let sshd forward sockets: AllowStreamLocalForwarding yes", value="port")
    return ok(f"{text}; only its user could reach it", value="works")


CHECK = Check(
    id="desktop.trial",
    title="A desktop starts, can be seen, and ends",
    why="A desktop has many ways to fail: a missing session, a broken start file, a full /tmp, a port that "
    "is taken. This starts one as the panel does, fetches one picture of it, and stops it. It takes a few "
    "seconds and some memory on the box.",
    command="gpubox-tui desktop BOX start",
    needs=(DesktopTrial,),
    judge=_judge,
    depends_on=("desktop.server",),
    trial=True,
)
