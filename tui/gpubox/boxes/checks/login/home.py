"""Whether the home is there when sshd looks for keys."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, ok, unknown, warning
from gpubox.boxes.checks.login.facts import LoginFacts
from gpubox.core.sanitize import clean

_NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "afs",
    "ceph",
    "lustre",
    "gpfs",
    "beegfs",
    "glusterfs",
    "9p",
    "fuse.sshfs",
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(LoginFacts)
    kind, home = clean(facts.file_system, 20), clean(facts.home, 120)
    if not facts.home:
        return failed(
            "The account has no home",
            f"sudo usermod -d /home/{clean(facts.user, 40)} -m {clean(facts.user, 40)}",
        )
    if not facts.home_there:
        step = f"sudo mkhomedir_helper {clean(facts.user, 40)}, or mount it"
        return failed(f"{home} does not exist: a login starts in /, and has no keys", step, value="missing")
    if facts.encrypted:
        text = (
            f"{home} is encrypted on its own ({clean(facts.encrypted, 30)}): closed, it has no keys for sshd"
        )
        step = f"Keep the keys outside: AuthorizedKeysFile /etc/ssh/keys/{clean(facts.user, 40)}"
        return warning(text, step, value="encrypted")
    if any(kind == name or kind.startswith(f"fuse.{name}") for name in _NETWORK):
        return _network(facts, kind, home)
    if not kind:
        return unknown("The file system of the home is not in the list of mounts", "findmnt -T ~")
    return ok(f"{home} is on this machine", value="local")


def _network(facts: LoginFacts, kind: str, home: str) -> Result:
    text = f"{home} comes over the network ({kind}, {clean(facts.source, 80)})"
    if facts.selinux and kind.startswith("nfs"):
        step = "If keys are refused, look at `getsebool use_nfs_home_dirs`"
        return hint(f"{text}, which SELinux may keep sshd from", step, value=kind)
    step = "Keep data, environments and caches on a local disk; a key counts wherever this home is mounted"
    return hint(text, step, value=kind)


CHECK = Check(
    id="login.home",
    title="The home is a folder of this machine",
    why="sshd reads the keys before you are logged in. A home that is encrypted for you alone is closed "
    "then, and one that comes over the network fails together with its server. Such a home is also "
    "shared: a key that is added counts on every machine that mounts it, environments with many "
    "small files are slow there, and file locks may be slow or missing, which the queue of jobs "
    "uses.",
    command="findmnt -T ~",
    needs=(LoginFacts,),
    judge=_judge,
)
