"""Whether a key stands in authorized_keys twice."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.login.facts import AuthorizedKey, LoginFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(LoginFacts)
    if not facts.keys:
        return not_here("There are no keys")
    lines: dict[str, list[AuthorizedKey]] = {}
    for key in facts.keys:
        lines.setdefault(key.fingerprint, []).append(key)
    double = [keys for keys in lines.values() if len(keys) > 1]
    if not double:
        return ok(f"{len(lines)} different key{'' if len(lines) == 1 else 's'}", value="no")
    details = tuple(
        f"{clean(keys[0].fingerprint, 60)}: {', '.join(clean(key.where, 120) for key in keys[:4])}"
        for keys in double[:10]
    )
    first, second = (clean(key.where, 120) for key in double[0][:2])
    text = f"The same key stands at {first} and {second}"
    if len({key.options for key in double[0]}) > 1:
        text += ", with different options: the first line counts"
    return hint(text, "Remove one of the lines", value="yes", details=details)


CHECK = Check(
    id="login.duplicates",
    title="Each key stands in authorized_keys once",
    why="A key that is there twice still works after one line was removed, which is a surprise when "
    "somebody's access should end. sshd takes the first line that fits, with its options.",
    command="ssh-keygen -l -f ~/.ssh/authorized_keys | sort -k 2,2 | uniq -d -f 1",
    needs=(LoginFacts,),
    judge=_judge,
)
