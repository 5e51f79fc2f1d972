"""Whether files in sshd_config.d have an effect."""

from __future__ import annotations

from gpubox.boxes.checks.check import CannotLook, Check, Gathered, Result, hint, not_here, ok, warning
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    if not facts.readable:
        raise CannotLook(
            f"Only root can read {clean(facts.config, 120)}; look with `sudo grep -i include {facts.config}`"
        )
    if facts.release < (8, 2):
        return not_here(f"OpenSSH {facts.version} has no Include; 8.2 has")
    names = ", ".join(clean(name, 60) for name in facts.drop_ins[:4])
    if not facts.include:
        step = f"Put `Include {facts.folder}/*.conf` at the top of {clean(facts.config, 120)}"
        if names:
            return warning(f"{names} in {facts.folder} has no effect: no Include names it", step, value="no")
        return hint(f"{clean(facts.config, 120)} does not include {facts.folder}", step, value="no")
    details = tuple(f"{facts.folder}/{clean(name, 80)}" for name in facts.drop_ins)
    if facts.before_include:
        early = ", ".join(clean(word, 40) for word in facts.before_include[:4])
        return hint(
            f"The main file sets {early} first, which drop-ins cannot change",
            f"Move {clean(facts.include, 120)} to the top",
            value="late",
            details=details,
        )
    count = len(facts.drop_ins)
    text = (
        f"{clean(facts.include, 120)} includes {facts.folder}, with {count} file{'' if count == 1 else 's'}"
    )
    return ok(text, value="yes", details=details)


CHECK = Check(
    id="sshd.include",
    title="Files in sshd_config.d take effect",
    why="A change is safest in a file of its own, which an update of the package leaves alone and which "
    "is undone by removing it. sshd takes the first value that it finds, in the order of the files' "
    "names: `00-gpubox.conf` wins over `50-cloud-init.conf`, and an Include at the top wins over "
    "the rest of the main file. Where the Include is missing, as on boxes that were upgraded from "
    "old releases, such a file has no effect.",
    command="grep -in '^ *include' /etc/ssh/sshd_config; ls -l /etc/ssh/sshd_config.d",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
