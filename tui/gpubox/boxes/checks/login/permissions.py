"""Whether owners and modes make sshd ignore the keys."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, warning
from gpubox.boxes.checks.fix import FileEdit, Fix
from gpubox.boxes.checks.login.facts import KeyFile, LoginFacts, PathMode, sshd_value
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.core.sanitize import clean

_LABELS = ("ssh_home_t", "nfs_t", "cifs_t", "fusefs_t", "sshd_key_t")
"""Types of SELinux from which sshd reads keys; homes on a network have a boolean of their own."""
_OTHERS_WRITE, _GROUP_WRITES = 0o002, 0o020


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(LoginFacts)
    files = [file for file in facts.files if file.paths and file.error != "missing"]
    if not files:
        return not_here("There is no file of keys")
    bad = [(one, fault) for file in files for one in file.paths if (fault := _fault(one, file, facts))]
    details = tuple(dict.fromkeys(f"{clean(one.path, 120)}: {fault}" for one, fault in bad))
    if bad and sshd_value(gathered, "strictmodes", "yes").lower() == "no":
        text = "sshd does not look at owners and modes: StrictModes is off"
        return hint(
            text, f"{_repair(bad[0][0], facts)}; then turn StrictModes on", value="off", details=details
        )
    if bad:
        one, fault = bad[0]
        text = f"sshd ignores the keys: {clean(one.path, 120)} {fault}"
        fix = _fix([path for path, _ in bad], facts)
        return failed(text, _repair(one, facts), value="ignored", details=details, fix=fix)
    if facts.selinux:
        for file in files:
            if file.label and file.label not in _LABELS and file.path.startswith(f"{facts.home}/.ssh/"):
                text = (
                    f"SELinux may keep sshd from the keys: {clean(file.path, 120)} is {clean(file.label, 40)}"
                )
                return warning(text, "restorecon -R -v ~/.ssh", value="label")
    return ok("Owners and modes are as sshd wants them", value="ok")


def _fault(one: PathMode, file: KeyFile, facts: LoginFacts) -> str:
    """Return what sshd has against a file or folder, or ""."""
    if one is file.paths[0] and not one.regular:
        return "is not a regular file"
    if one.uid not in (0, facts.uid):
        return f"belongs to {clean(one.owner or str(one.uid), 40)}"
    if one.mode & _OTHERS_WRITE:
        return f"can be written by everyone ({one.mode:04o})"
    if one.mode & _GROUP_WRITES and not (facts.debian and one.own_group):
        return f"can be written by its group ({one.mode:04o})"
    return ""


def _fix(paths: list[PathMode], facts: LoginFacts) -> Fix | None:
    """Return the fix that takes the right to write from others, or None where something else is wrong."""
    others_write = _OTHERS_WRITE | _GROUP_WRITES
    if any(one.uid != facts.uid or not one.mode & others_write for one in paths):
        return None
    edits = {one.path: FileEdit(one.path, mode=one.mode & ~others_write) for one in paths}
    return Fix(
        "Let nobody else write",
        "Others can no longer change these files and folders; sshd takes the keys again.",
        needs_root=False,
        files=tuple(edits.values()),
    )


def _repair(one: PathMode, facts: LoginFacts) -> str:
    path = clean(one.path, 120)
    if one.uid not in (0, facts.uid):
        return f"sudo chown {clean(facts.user, 40)} '{path}'"
    if one.mode & (_OTHERS_WRITE | _GROUP_WRITES):
        return f"{'sudo ' if one.uid != facts.uid else ''}chmod go-w '{path}'"
    return f"Replace {path} by a plain file"


CHECK = Check(
    id="login.permissions",
    title="Owners and modes let sshd use the keys",
    why="sshd ignores a file of keys that others could have changed: it, and every folder above it up "
    "to your home, must belong to you or root and be writable by nobody else. One `chmod 775 ~` is "
    "enough, and sshd then asks for a password without a word; its log says `bad ownership or "
    "modes`. Debian and Ubuntu let your own group write, as long as nobody else is in it. Repair "
    "the mode; never turn StrictModes off.",
    command="namei -l ~/.ssh/authorized_keys",
    needs=(LoginFacts, SshdFacts),
    judge=_judge,
)
