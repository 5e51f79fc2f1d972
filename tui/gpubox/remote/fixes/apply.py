"""Makes a change: everything about the way back is on the disk before anything is changed."""

from __future__ import annotations

import os
import time

from gpubox.remote import process_tree
from gpubox.remote.checks import login_user
from gpubox.remote.fixes import changes, disk, programs, recovery, reload, restore, sshd, timer
from gpubox.remote.fixes.asked import LIMIT
from gpubox.remote.fixes.reason import reason
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional

    from gpubox.remote.fixes.asked import AskedFix
    from gpubox.remote.fixes.changes import ChangeSet, FileChange
    from gpubox.remote.fixes.journal import FixJournal, FixRecord

    Row = Dict[str, Any]


def plan(asked: AskedFix) -> Row:
    """Return what a request would change."""
    found = changes.work_out(asked)
    return {
        "token": found.token,
        "changes": [changes.described(one) for one in found.files],
        "commands": [{"do": one["do"], "undo": one["undo"]} for one in asked.commands],
        "warnings": found.warnings,
    }


def apply(journal: FixJournal, asked: AskedFix) -> Row:
    """Make a change; when anything of it fails, everything is as before, and the request is refused."""
    recovery.no_trial(journal)
    found = changes.work_out(asked)
    if asked.token != found.token:
        raise Refused("The files changed meanwhile", "They are not as they were shown", "Look again")
    if not found.files and not asked.commands:
        raise Refused("Nothing to change", "Everything is so already")
    try:
        entry = prepare(journal, asked, found)
    except OSError as error:  # what is there of it is swept away with the next request
        raise Refused("The journal cannot be written", reason(error), "Nothing was changed") from None
    try:
        carry_out(journal, entry, asked, found)
    except (Refused, OSError) as error:
        raise taken_back(journal, entry, error) from None
    return {
        "id": entry.id,
        "state": entry.state,
        "seconds": recovery.seconds_left(entry) or 0,
        "reload": (entry.row.get("sshd") or {}).get("reloads", ""),
    }


def prepare(journal: FixJournal, asked: AskedFix, found: ChangeSet) -> FixRecord:
    """Write the entry with all files from before; nothing has changed until then."""
    entry = journal.start(asked.id)
    folders: List[str] = []
    for one in found.files:
        folders += [folder for folder in disk.missing_folders(one.path) if folder not in folders]
    files = [recorded(journal, entry, index, one) for index, one in enumerate(found.files)]
    entry.save(
        check=asked.check,
        title=asked.title,
        user=login_user.name(),
        boot=process_tree.boot_id(),
        files=files,
        folders=folders,
        commands=asked.commands,
        sshd=None if asked.sshd is None else {"config": asked.sshd.config, "options": found.options},
        seconds=asked.seconds,
        state="prepared",
    )
    return entry


def recorded(journal: FixJournal, entry: FixRecord, index: int, change: FileChange) -> Row:
    """Store a file from before, and return what the entry says of it."""
    before: Optional[Row] = None
    if change.before.kind:
        before = {**change.before.access._asdict(), "sha256": change.before.digest, "backup": ""}
        if change.before.data is not None and change.part != "mode":
            before["backup"] = entry.keep("%d.before" % index, change.before.data)
    after: Optional[Row] = None
    if change.access is not None:
        access = change.access._asdict()
        after = {**access, "sha256": change.before._replace(data=change.data).digest}
    row: Row = {"path": change.path, "part": change.part, "before": before, "after": after}
    if change.part == "options":
        row["base"] = base(journal, entry, change, before)
    return row


def base(journal: FixJournal, entry: FixRecord, change: FileChange, before: Optional[Row]) -> Optional[Row]:
    """Return what the shared file was before the first of the fixes that are in it now; None is no file."""
    for one in journal.active(but=entry.id):
        for file in one.row["files"]:
            if file["part"] == "options" and file["path"] == change.path:
                found: Optional[Row] = file["base"]
                if found is None:
                    return None
                return {**found, "backup": entry.keep("base.before", one.backup(found["backup"]))}
    return before


def carry_out(journal: FixJournal, entry: FixRecord, asked: AskedFix, found: ChangeSet) -> None:
    """Change the files, then sshd, then run the commands."""
    end = time.monotonic() + LIMIT
    if asked.sshd is not None:
        timer.start(journal, entry, recovery.recover)
    for folder in entry.row["folders"]:
        disk.make_folder(folder, 0o755 if os.geteuid() == 0 else 0o700)
    for index, one in enumerate(found.files):
        change(entry, index, one)
    if asked.sshd is not None:
        end = time.monotonic() + asked.seconds
        reloaded(entry, asked, end)
    for command in entry.row["commands"]:
        run(entry, command, end)
    entry.save(state="applied" if asked.sshd is None else "guarded")


def change(entry: FixRecord, index: int, one: FileChange) -> None:
    """Change one file."""
    if one.access is None:
        disk.remove(one.path)
    elif one.part == "mode":
        disk.change_mode(one.path, one.access.mode)
    elif one.data is not None:
        disk.write(one.path, one.data, one.access, restore.temporary_of(entry, index))


def reloaded(entry: FixRecord, asked: AskedFix, deadline: float) -> None:
    """Test sshd's configuration, and make sshd read it. Refuses what sshd refuses, and what has no effect."""
    assert asked.sshd is not None
    config, options = asked.sshd.config, asked.sshd.options
    objection = sshd.test(config)
    if objection:
        raise Refused("sshd refuses the change", objection)
    sshd.verify(config, options, asked.sshd.for_login, entry.folder)
    row: Row = {**entry.row["sshd"], "server": reload.listener(config), "reloaded": True}
    entry.save(sshd=row, deadline=deadline)
    done, error = reload.reload(config, row["server"], options)
    if error:
        raise Refused("sshd could not be reloaded", error)
    entry.save(sshd={**row, "reloads": done})


def run(entry: FixRecord, command: Row, end: float) -> None:
    """Run one command; refuses with its last line when it fails."""
    command["state"] = "begun"
    entry.save()
    if command["do"]:
        status, out, err = programs.run(command["do"], end - time.monotonic())
        if status != 0:
            words = " ".join(command["do"])
            raise Refused("A command failed", "`%s`: %s" % (words, programs.last_line(err, out)))
    command["state"] = "done"
    entry.save()


def taken_back(journal: FixJournal, entry: FixRecord, error: Exception) -> Refused:
    """Take a failed change back, and return the error that says why it failed."""
    title = error.title if isinstance(error, Refused) else "The change failed"
    entry.row["why"] = reason(error)
    try:
        left = restore.take_back(journal, entry, "undone")
    except (Refused, OSError) as second:
        text = "%s; it could not be taken back: %s" % (reason(error), reason(second))
        return Refused(title, text, "The files from before are in %s" % entry.folder)
    hint = error.hint if isinstance(error, Refused) else ""
    return Refused(title, "; ".join([reason(error), *left]), hint or "Everything is as it was")


def keep(entry: FixRecord) -> Row:
    """End the trial of a change of sshd: it stays."""
    if entry.state == "guarded":
        entry.save(state="kept")
    elif entry.state not in ("kept", "applied"):
        done = "was taken back: no proof came in time" if entry.state == "rolled-back" else "is not there"
        raise Refused("It was taken back", "`%s` %s" % (entry.row.get("title"), done), "Make it again")
    return {"id": entry.id, "state": entry.state}


def undo(journal: FixJournal, entry: FixRecord, *, force: bool) -> Row:
    """Restore what a fix changed; refuses when others changed it since, unless `force` is set."""
    if entry.state not in ("undone", "rolled-back"):
        recovery.no_trial(journal, but=entry.id)
        if not force:
            refuse_foreign(journal, entry)
        entry.save(state="undoing", force=force)
        restore.take_back(journal, entry, "undone", force=force)
    return {
        "id": entry.id,
        "state": entry.state,
        "left": entry.row.get("left") or [],
        "reload": entry.row.get("reload") or "",
    }


def refuse_foreign(journal: FixJournal, entry: FixRecord) -> None:
    """Refuse when a file is no longer as a fix left it; a later fix of the same file has to go first."""
    for file in entry.row["files"]:
        if not restore.foreign(file):
            continue
        later = [one for one in journal.active(but=entry.id) if one.number > entry.number]
        also = [str(one.row.get("title")) for one in later if file["path"] in one.paths()]
        hint = "Undo `%s` first" % also[-1] if also else "Undo with force, or change it by hand"
        raise Refused("The file changed since", restore.changed_since(entry, file), hint)
