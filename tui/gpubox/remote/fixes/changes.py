"""Works out what a request would change, by what is on the disk now; changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Dict, List, NamedTuple, Optional

from gpubox.remote.checks.sshd_config import MatchedLogin, SshdConfig
from gpubox.remote.fixes import disk, drop_in
from gpubox.remote.fixes.asked import AskedFile, AskedFix, AskedSshd
from gpubox.remote.fixes.disk import FileAccess, OnDisk
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Tuple

    Row = Dict[str, Any]


class FileChange(NamedTuple):
    """A change of one file."""

    path: str
    """Where the file really is."""
    part: str
    """What changes: its `text`, its `mode` alone, or in files of sshd our `options` or the `include`."""
    before: OnDisk
    data: Optional[bytes]
    """Its content after the change; None when it is removed, and when only its mode changes."""
    access: Optional[FileAccess]
    """The access after the change; None when it is removed."""

    @property
    def changes(self) -> bool:
        """Whether anything is different afterwards."""
        same = self.before.data == self.data and bool(self.before.kind) == (self.access is not None)
        return not same or (self.access is not None and self.access.mode != self.before.access.mode)


class ChangeSet(NamedTuple):
    """All that a request changes."""

    files: List[FileChange]
    """Those that would be different afterwards."""
    options: Dict[str, Row]
    """The lines of sshd's options before and after."""
    warnings: List[str]
    token: str
    """Stands for the present state of all files in question."""


def work_out(asked: AskedFix) -> ChangeSet:
    """Return what a request changes. Refuses what cannot be changed safely."""
    warnings: List[str] = []
    files = [of_file(one, warnings) for one in asked.files]
    options: Dict[str, Row] = {}
    if asked.sshd is not None:
        found, options = of_sshd(asked.sshd, warnings)
        files += found
    paths = [one.path for one in files]
    twice = next((path for path in paths if paths.count(path) > 1), "")
    if twice:
        raise Refused("Not understood", "The request changes %s twice" % twice)
    for one in files:
        check_owner(one)
        if one.changes and one.part != "mode" and one.before.links > 1:
            warnings.append("%s has other names, which keep the old content" % one.path)
    return ChangeSet([one for one in files if one.changes], options, warnings, token(files))


def of_file(asked: AskedFile, warnings: List[str]) -> FileChange:
    """Return the change of one file."""
    path = resolved(asked.path, warnings)
    if asked.remove:
        return FileChange(path, "text", found(path), None, None)
    if asked.text is None:
        before = found(path, read=False)
        if not before.kind:
            raise Refused("No such file", "%s does not exist" % path)
        return FileChange(path, "mode", before, None, before.access._replace(mode=asked.mode or 0))
    before = found(path)
    access = before.access if before.kind else default_access()
    if asked.mode is not None:
        access = access._replace(mode=asked.mode)
    if before.data == asked.text and access.mode != before.access.mode:
        return FileChange(path, "mode", before._replace(data=None), None, access)
    return FileChange(path, "text", before, asked.text, access)


def default_access() -> FileAccess:
    """Return the access of a new file."""
    return FileAccess(0o644 if os.geteuid() == 0 else 0o600)


def resolved(path: str, warnings: List[str]) -> str:
    """Return where a file really is; says so when that is elsewhere."""
    if os.geteuid() == 0:
        disk.trusted(path)
    real = os.path.realpath(path)
    if os.path.islink(real) or (os.path.islink(path) and not os.path.exists(path)):
        raise Refused("The link leads nowhere", "%s is a link to what does not exist" % path)
    if real != path:
        warnings.append("%s is really %s, which is changed" % (path, real))
    return real


def found(path: str, *, read: bool = True) -> OnDisk:
    """Return what is at a path."""
    try:
        return disk.at(path, read=read)
    except PermissionError:
        raise Refused("Not allowed to read it", "%s may be read by others only" % path) from None
    except OSError as error:
        raise Refused("It cannot be read", "%s: %s" % (path, error.strerror)) from None


def check_owner(change: FileChange) -> None:
    """Refuse to change, without root, what belongs to another user."""
    user = os.geteuid()
    if change.changes and user != 0 and change.before.kind and change.before.access.uid != user:
        text = "%s belongs to user number %d" % (change.path, change.before.access.uid)
        raise Refused("The file is not yours", text, "This needs root")


def of_sshd(asked: AskedSshd, warnings: List[str]) -> Tuple[List[FileChange], Dict[str, Row]]:
    """Return the changes of sshd's files, and its options before and after."""
    config = resolved(asked.config, warnings)
    main = found(config)
    if main.data is None:
        raise Refused("No such configuration", "%s does not exist" % config, "Is sshd installed?")
    path = resolved(drop_in.place(asked.config), warnings)
    before = found(path)
    text, options = drop_in.with_options(None if before.data is None else before.data.decode(), asked.options)
    access = before.access if before.kind else default_access()
    files = [FileChange(path, "options", before, text.encode(), access)]
    if not included(asked.config):
        warnings.append("%s does not include %s yet" % (config, os.path.dirname(path)))
        new = drop_in.with_include(main.data.decode(), asked.config).encode()
        files.append(FileChange(config, "include", main, new, main.access))
    return files, options


def included(config: str) -> bool:
    """Return whether a main file includes our drop-in for every login."""
    path = drop_in.place(config)
    return any(
        drop_in.covers(one.pattern, path) for one in SshdConfig(config, MatchedLogin("", []), []).includes
    )


def token(files: List[FileChange]) -> str:
    """Return what stands for the present state of files."""
    states = [[one.path, one.part, one.before.kind, one.before.digest, *one.before.access] for one in files]
    return hashlib.sha256(json.dumps(sorted(states)).encode()).hexdigest()


def described(change: FileChange) -> Row:
    """Return a change as `plan` answers it; texts are null for a change of the mode alone."""
    before, data = change.before, change.data
    return {
        "path": change.path,
        "before": None if before.data is None or change.part == "mode" else before.data.decode(),
        "after": None if data is None else data.decode(),
        "mode_before": before.access.mode if before.kind else None,
        "mode_after": change.access.mode if change.access else None,
    }
