"""Takes a fix back: files, folders, commands, sshd. All of it may be done twice: a crash can interrupt it."""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple, Optional, Sequence

from gpubox.remote.fixes import disk, drop_in, programs, reload
from gpubox.remote.fixes.asked import LIMIT
from gpubox.remote.fixes.disk import FileAccess
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Tuple

    from gpubox.remote.fixes.journal import FixJournal, FixRecord

    Row = Dict[str, Any]


def take_back(journal: FixJournal, entry: FixRecord, state: str, *, force: bool = False) -> List[str]:
    """Restore what a fix changed, and return what had to be left, in words; it ends in `state`.

    Raises OSError and Refused when it could not be done now; then the state is as before.
    """
    left = undo_commands(entry, after_files=False)
    others = journal.active(but=entry.id)
    failed: List[Exception] = []
    for index in reversed(range(len(entry.row["files"]))):
        try:
            left += file_back(entry, index, others, force)
        except (OSError, Refused) as error:  # noqa: PERF203 - one file keeps no other from coming back
            failed.append(error)
    remove_folders(entry, others)
    left += undo_commands(entry, after_files=True)
    done, objection = again(entry)
    left += [objection] if objection else []
    if failed:
        raise failed[0]
    entry.save(state=state, left=left, reload=done)
    return left


def file_back(entry: FixRecord, index: int, others: List[FixRecord], force: bool) -> List[str]:
    """Restore one file, and return what had to be left."""
    file = entry.row["files"][index]
    if os.geteuid() == 0:
        disk.trusted(str(file["path"]))  # its folder may belong to another user by now
    temporary = temporary_of(entry, index)
    disk.remove(temporary)
    return PARTS[file["part"]](entry, file, others, temporary, force)


def temporary_of(entry: FixRecord, index: int) -> str:
    """Return the name under which the new content of a file is written first."""
    path = str(entry.row["files"][index]["path"])
    return os.path.join(os.path.dirname(path), ".gpubox-%s-%d" % (entry.id, index))


def access_of(row: Row) -> FileAccess:
    """Return the recorded access of a file."""
    return FileAccess(int(row["mode"]), int(row["uid"]), int(row["gid"]))


def digest_of(row: Optional[Row]) -> str:
    """Return the recorded digest of a file; "" for none."""
    return str(row["sha256"]) if row else ""


def text_back(entry: FixRecord, file: Row, _: List[FixRecord], temporary: str, force: bool) -> List[str]:
    """Restore a file."""
    path, before = str(file["path"]), file["before"]
    if unchanged(path, before):
        return []
    if not force and foreign(file):
        return [changed_since(entry, file)]
    if before is None:
        disk.remove(path)
    else:
        disk.write(path, entry.backup(before["backup"]), access_of(before), temporary)
    return []


def unchanged(path: str, row: Optional[Row]) -> bool:
    """Return whether a file is as recorded."""
    found = disk.at(path)
    if row is None or not found.kind:
        return row is None and not found.kind
    return found.digest == digest_of(row) and found.access == access_of(row)


def foreign(file: Row) -> bool:
    """Return whether somebody else changed what a fix changed: it is neither as before nor as after."""
    path, part = str(file["path"]), file["part"]
    if part == "mode":
        found = disk.at(path, read=False)
        modes = {int(file["before"]["mode"]), int(file["after"]["mode"])}
        return not found.kind or found.access.mode not in modes
    if part != "text":
        return False  # others may write there, and only our lines are taken back
    return disk.at(path).digest not in (digest_of(file["before"]), digest_of(file["after"]))


def changed_since(entry: FixRecord, file: Row) -> str:
    """Return the words for a file that somebody else changed."""
    before = file["before"]
    backup = os.path.join(entry.folder, before["backup"]) if before and before.get("backup") else ""
    text = "%s was changed since" % file["path"]
    return text + ("; how it was is in %s" % backup if backup else "")


def mode_back(entry: FixRecord, file: Row, _: List[FixRecord], __: str, force: bool) -> List[str]:
    """Restore the permission bits of a file or folder."""
    found = disk.at(str(file["path"]), read=False)
    if not found.kind or (not force and foreign(file)):
        return [changed_since(entry, file)]
    if found.access.mode != int(file["before"]["mode"]):
        disk.change_mode(str(file["path"]), int(file["before"]["mode"]))
    return []


class SharedFile(NamedTuple):
    """A file of sshd as it is to be without a fix."""

    data: Optional[bytes]
    """None when it is to be removed."""
    access: Optional[FileAccess] = None
    left: Sequence[str] = ()
    """Keywords that others have changed since, which stay."""


def include_back(entry: FixRecord, file: Row, others: List[FixRecord], temporary: str, _: bool) -> List[str]:
    """Take our Include out of sshd's main file, or leave that to a fix that still needs it."""
    heir = next(iter(sharers(entry, others)), None)
    if heir is not None:
        inherit(entry, file, heir)
        return []
    without = without_include(entry, file, others)
    if without is None:
        return [changed_since(entry, file)]
    write_shared(str(file["path"]), without, temporary)
    return []


def without_include(entry: FixRecord, file: Row, others: List[FixRecord]) -> Optional[SharedFile]:
    """Return sshd's main file without our Include, unless another fix needs it; None where there is none."""
    found = disk.at(str(file["path"]))
    if found.data is None:
        return None
    if sharers(entry, others):
        return SharedFile(found.data, found.access)
    if found.digest == digest_of(file["after"]):
        return SharedFile(entry.backup(file["before"]["backup"]), access_of(file["before"]))
    text, _ = drop_in.without_include(found.data.decode(), str(entry.row["sshd"]["config"]))
    return SharedFile(text.encode(), found.access)


def sharers(entry: FixRecord, others: List[FixRecord]) -> List[FixRecord]:
    """Return the other fixes of the same sshd."""
    config = entry.row["sshd"]["config"]
    return [one for one in others if (one.row.get("sshd") or {}).get("config") == config]


def inherit(entry: FixRecord, file: Row, heir: FixRecord) -> None:
    """Leave the way back of a shared file to another fix."""
    files = heir.row["files"]
    if not any(one["path"] == file["path"] for one in files):
        name = heir.keep("%d.before" % len(files), entry.backup(file["before"]["backup"]))
        heir.save(files=[*files, {**file, "before": {**file["before"], "backup": name}}])


def options_back(
    entry: FixRecord, file: Row, others: List[FixRecord], temporary: str, force: bool
) -> List[str]:
    """Take our lines out of the file that several fixes share; what there was before any comes back whole."""
    path = str(file["path"])
    without = without_options(entry, file, others, force)
    for keyword, line in entry.row["sshd"]["options"].items():
        hand_on(keyword, line, later(entry, others))
    if without is None:
        return []
    write_shared(path, without, temporary)
    return ["%s: %s was changed since" % (path, keyword) for keyword in without.left]


def without_options(
    entry: FixRecord, file: Row, others: List[FixRecord], force: bool
) -> Optional[SharedFile]:
    """Return the shared file without our lines; None where there is none.

    A line that a later fix set again stays. The last fix brings back what there was before the first.
    """
    found = disk.at(str(file["path"]))
    if found.data is None:
        return None
    set_again = {keyword for one in later(entry, others) for keyword in one.row["sshd"]["options"]}
    options = entry.row["sshd"]["options"].items()
    mine = {keyword: line for keyword, line in options if keyword not in set_again}
    text, left = drop_in.without_options(found.data.decode(), mine, force)
    row: Optional[Row] = file["base"]
    base = entry.backup(row["backup"]) if row else b""
    if not sharers(entry, others) and drop_in.same_lines(text, base.decode()):
        return SharedFile(None, None, left) if row is None else SharedFile(base, access_of(row), left)
    return SharedFile(text.encode(), found.access, left)


def later(entry: FixRecord, others: List[FixRecord]) -> List[FixRecord]:
    """Return the fixes of the same sshd that were made after this one."""
    return [one for one in sharers(entry, others) if one.number > entry.number]


def hand_on(keyword: str, line: Row, after: List[FixRecord]) -> None:
    """Let the next fix that set an option go back to what was before us."""
    heir = next((one for one in after if keyword in one.row["sshd"]["options"]), None)
    if heir is None:
        return
    theirs = heir.row["sshd"]["options"][keyword]
    if theirs["before"] == line["after"] != line["before"]:
        theirs["before"] = line["before"]
        heir.save()


def write_shared(path: str, without: SharedFile, temporary: str) -> None:
    """Write a file of sshd, or remove it, unless it is so already."""
    found = disk.at(path)
    if without.data is None or without.access is None:
        disk.remove(path)
    elif found.data != without.data or found.access != without.access:
        disk.write(path, without.data, without.access, temporary)


def sshd_files(journal: FixJournal, entry: FixRecord) -> Dict[str, Optional[bytes]]:
    """Return the files of sshd as they are to be when a fix is taken back; None is no file."""
    others = journal.active(but=entry.id)
    found: Dict[str, Optional[bytes]] = {}
    for file in entry.row["files"]:
        without = None
        if file["part"] == "options":
            without = without_options(entry, file, others, False)
        elif file["part"] == "include":
            without = without_include(entry, file, others)
        if without is not None:
            found[str(file["path"])] = without.data
    return found


PARTS = {"text": text_back, "mode": mode_back, "include": include_back, "options": options_back}
"""How each part of a file is restored."""


def remove_folders(entry: FixRecord, others: List[FixRecord]) -> None:
    """Remove the folders that a fix made, if they are empty; one that another fix uses is left to that."""
    for folder in reversed(entry.row["folders"]):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError:
            uses = (one for one in others if any(path.startswith(folder + "/") for path in one.paths()))
            heir = next(uses, None)
            if heir is not None and folder not in heir.row["folders"]:
                heir.save(folders=sorted([folder, *heir.row["folders"]]))
            continue
        with contextlib.suppress(OSError):
            disk.sync(os.path.dirname(folder))


def undo_commands(entry: FixRecord, *, after_files: bool) -> List[str]:
    """Undo the commands that were begun, the last one first; return which of them failed."""
    left: List[str] = []
    for command in reversed(entry.row["commands"]):
        if command["state"] not in ("begun", "done") or command["undo_after_files"] is not after_files:
            continue
        if command["undo"]:
            status, out, err = programs.run(command["undo"], LIMIT)
            if status != 0:
                left.append("`%s` failed: %s" % (" ".join(command["undo"]), programs.last_line(err, out)))
        command["state"] = "undone"
        entry.save()
    return left


def again(entry: FixRecord) -> Tuple[str, str]:
    """Make sshd read its configuration again if it has read ours; start it if that ended it."""
    found = entry.row.get("sshd")
    if not found or not found.get("reloaded"):
        return "", ""
    config, server = str(found["config"]), found.get("server")
    done = reload.reload(config, server, found["options"])
    if entry.state != "undoing" and not done[0]:
        return reload.revive(config, server, str(found.get("reloads") or "")) or done
    return done
