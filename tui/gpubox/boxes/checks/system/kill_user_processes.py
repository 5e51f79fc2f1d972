"""Whether programs outlive the login that started them."""

from __future__ import annotations

from shlex import quote

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.fix import FileEdit, Fix, UndoableCommand
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.core.sanitize import clean

_YES = ("yes", "true", "on", "1", "y", "t")
_COMMAND = (
    "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager "
    "KillUserProcesses"
)
_READ_AGAIN = ("systemctl", "kill", "-s", "HUP", "systemd-logind")
_FOLDER = "/etc/systemd/logind.conf.d"
_DROP_IN = "99-gpubox.conf"
"""The last of all files in folders named logind.conf.d wins, in the order of their names."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    if not facts.systemd:
        return not_here("systemd does not run this box")
    setting = facts.kill_user_processes.lower()
    if not setting:
        return unknown(
            "No file sets it, and logind does not say which default it has",
            _COMMAND,
        )
    if setting not in _YES:
        return ok("Programs go on when a login ends", value="no")
    if facts.user in facts.kill_excludes:
        return ok(f"logind spares {clean(facts.user, 40)}, and kills the processes of others", value="no")
    later = _sorts_after_ours(facts)
    file = clean(facts.kill_file, 100)
    step = f"In {file if later else f'{_FOLDER}/{_DROP_IN}'}, below [Login]: KillUserProcesses=no; then sudo "
    step += " ".join(_READ_AGAIN)
    if later:
        step += (
            f". A file of ours would have no effect: this one comes after {_DROP_IN}, and the last one wins"
        )
    details = (f"{file} sets it",) if file else ()
    fix = None if later else _fix()
    if facts.linger:
        return hint(
            "tmux and nohup end with the login; jobs of this panel go on, because the user lingers",
            step,
            value="yes",
            details=details,
            fix=fix,
        )
    return warning(
        "All programs end with the login, in tmux and under nohup as well",
        f"loginctl enable-linger {quote(clean(facts.user, 40))} keeps jobs of this panel; for all: {step}",
        value="yes",
        details=details,
        fix=fix,
    )


def _sorts_after_ours(facts: SystemFacts) -> bool:
    """Return whether the file that sets it would win over ours; logind.conf itself comes before all."""
    folder, _, name = facts.kill_file.rpartition("/")
    return folder.endswith("/logind.conf.d") and name > _DROP_IN


def _fix() -> Fix:
    return Fix(
        "Let programs outlive their login",
        "What a login leaves behind, in tmux or under nohup, stays until somebody ends it.",
        files=(FileEdit(f"/etc/systemd/logind.conf.d/{_DROP_IN}", "[Login]\nKillUserProcesses=no\n"),),
        commands=(UndoableCommand(_READ_AGAIN, _READ_AGAIN, undo_after_files=True),),
    )


CHECK = Check(
    id="system.kill-user-processes",
    title="Programs outlive the login",
    why="With KillUserProcesses=yes logind kills all that a login started as soon as the login ends: a "
    "training in tmux dies when the laptop sleeps. Units of the user's systemd survive if the user "
    "lingers. With `no`, programs that were left behind stay until somebody ends them.",
    command=_COMMAND,
    needs=(SystemFacts,),
    judge=_judge,
)
