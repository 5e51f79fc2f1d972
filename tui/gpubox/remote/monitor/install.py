"""Installs the service, without root, and says how it is: takes a verb, and a request as JSON on stdin.

install  write what the request has of the configuration, store the program, have it started at boot, start it
update   the same with the configuration that is there; refuses where nothing is installed
start, stop  until the next boot, which starts it again
test     send a test message by each channel
status   changes nothing
remove   take away everything that was made

A request of `install` has any of `interval` (seconds), `limits`, `outlets` (the configuration of each outlet
by its name, null for one to leave out) and `boot`: false has nothing start the service at boot. Each answer
is the status. A refused request is answered with {"error": {"title", "text", "hint"}} and exit code 1.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import shlex
import shutil
import sys
import time

from gpubox.remote import bundle, json_io, users
from gpubox.remote.jobs import records, systemd
from gpubox.remote.json_io import Refused
from gpubox.remote.kernel_files import read_text
from gpubox.remote.monitor import config, crontab, folder, running_service, user_unit
from gpubox.remote.monitor.clock import boot_clock
from gpubox.remote.monitor.job_counts import JobCounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List

    Row = Dict[str, Any]

SECRET_FILES = {"psk": "psk_file"}
"""Secrets in the configuration of an outlet that come as text, and the setting that names their file."""
SYSTEMD, CRON, HAND = "systemd", "cron", "hand"
"""The ways in which the service is started at boot; by hand is none."""
OURS = "GPUBOX_"
"""The beginning of our variables, which the service gets from this login, and with them PATH."""


def load(name: str) -> Row:
    """Return a JSON file of the service's folder; nothing where there is none, or it is damaged."""
    return records.load(folder.path(name)) or {}


def store(name: str, row: Row) -> None:
    """Write a JSON file of the service's folder, which only its user can read; raises Refused."""
    if not records.store(folder.path(name), row):
        raise Refused(
            "No room for the service", "%s cannot be written" % folder.path(name), "Make room there"
        )


def install(asked: Row) -> Row:
    """Install the service, or what is new of it, and start it; raises Refused."""
    if not bundle.has(folder.MAIN) or not folder.version():
        raise Refused(
            "The service cannot be stored",
            "The home on the box is full or read-only, so that this program runs from memory",
            "Look there: `df ~; ls -ld ~/.cache`",
        )
    settings = merged(load(folder.CONFIG), asked)
    record = load(folder.INSTALLED)
    record["made"] = [*record.get("made", ()), *make_folder(folder.path())]
    store(folder.INSTALLED, record)
    before = load(folder.CONFIG)
    new_secret = hide_secrets(settings["outlets"])
    store(folder.CONFIG, settings)
    command = [sys.executable, "-I", "-S", "-OO", os.path.join(program(), "run.py"), folder.MAIN]
    same = command == record.get("command") and settings["environment"] == before.get("environment")
    if same and not new_secret and running_service.identity() is not None:
        if settings != before:
            running_service.reload()
        return status()
    running_service.stop()  # also one that was started in another way
    record["command"] = command
    record["boot"] = asked.get("boot", record.get("boot", True))
    at_boot(record)
    start(record)
    for name in os.listdir(folder.path(folder.PROGRAMS)):
        if name != folder.version():
            shutil.rmtree(folder.path(folder.PROGRAMS, name), ignore_errors=True)
    return status()


def merged(before: Row, asked: Row) -> Row:
    """Return the configuration with what a request has of it; raises Refused for what cannot be used."""
    row = dict(before)
    for name in ("interval", "limits"):
        if asked.get(name) is not None:
            row[name] = asked[name]
    if not isinstance(asked.get("outlets", {}), dict):
        raise Refused("Not understood", "`outlets` is no table")
    outlets = dict(row.get("outlets") or {}, **asked.get("outlets", {}))
    if not all(isinstance(one, dict) for one in outlets.values() if one is not None):
        raise Refused("Not understood", "`outlets` is no table of tables")
    row["outlets"] = {name: dict(one) for name, one in outlets.items() if one is not None}
    for name, outlet in row["outlets"].items():
        if not name.isalnum() or not all(isinstance(outlet.get(one, ""), str) for one in SECRET_FILES):
            raise Refused("Not understood", "The outlet `%s` cannot be configured so" % name[:40])
    row["environment"] = {
        name: value for name, value in os.environ.items() if name == "PATH" or name.startswith(OURS)
    }
    row["environment"].pop("GPUBOX_STATE_DIR", None)  # it follows from where the program is
    try:
        config.checked(row)
    except config.ConfigFault as error:
        raise Refused("This cannot be configured", str(error)) from None
    return row


def hide_secrets(outlets: Dict[str, Row]) -> bool:
    """Move secrets of outlets into files, and remove the files of outlets that are gone.

    Returns whether a secret is new; raises Refused.
    """
    secrets = folder.private(folder.path(folder.SECRETS))
    for name in os.listdir(secrets):
        if name.partition(".")[0] not in outlets:
            os.unlink(os.path.join(secrets, name))
    new = False
    for name, outlet in outlets.items():
        for setting, place in SECRET_FILES.items():
            if setting in outlet:
                path = os.path.join(secrets, "%s.%s" % (name, setting))
                text = outlet.pop(setting).strip()
                new = new or read_text(path) != text
                write_secret(path, text)
                outlet[place] = path
    return new


def write_secret(path: str, text: str) -> None:
    """Write a file that only its user can read; raises Refused."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise Refused("A secret cannot be stored", "%s: %s" % (path, error.strerror)) from None


def make_folder(path: str) -> List[str]:
    """Create a folder, and return those that did not exist before, the outermost first; raises Refused."""
    missing: List[str] = []
    above = path
    while not os.path.lexists(above):
        missing.insert(0, above)
        above = os.path.dirname(above)
    folder.private(path) if path == folder.path() else os.makedirs(path, 0o700, exist_ok=True)
    return missing


def program() -> str:
    """Store this program where no cache is swept, unless it is there, and return its folder."""
    target = folder.path(folder.PROGRAMS, folder.version())
    if not os.path.isdir(target):
        fresh = "%s.%d.new" % (target, os.getpid())
        try:
            shutil.copytree(bundle.ROOT, fresh, ignore=shutil.ignore_patterns("__pycache__"))
            # A start that has to compile keeps 12 MB more of memory, for as long as it runs.
            compileall.compile_dir(fresh, ddir=target, quiet=2)
            os.rename(fresh, target)
        except (OSError, shutil.Error) as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if not os.path.isdir(target):
                raise Refused("The service cannot be stored", str(error)[:200], "Make room there") from None
    return target


def at_boot(record: Row) -> None:
    """Have the service started at boot, in the best way that this box allows; raises Refused."""
    way = best_way(record)
    if record.get("way") not in (None, way):
        undo_way(record)
    record["way"] = way
    if way == SYSTEMD:
        try:
            record["made"] += make_folder(user_unit.wants())
        except OSError as error:
            raise Refused("The unit cannot be written", "%s: %s" % (error.filename, error.strerror)) from None
    store(folder.INSTALLED, record)  # what is made from here on can be removed, even after a fault
    if way == SYSTEMD:
        user_unit.write(record["command"])
    elif way == CRON:
        crontab.write(record["command"])


def best_way(record: Row) -> str:
    """Return how the service is to be started: a unit without a login, a line of cron, or by hand."""
    if not record["boot"]:
        return HAND
    if user_unit.usable():
        before = user_unit.lingers()
        if user_unit.allow_linger():
            record["linger"] = record.get("linger", False) or not before
            return SYSTEMD
    if crontab.usable():
        return CRON
    return SYSTEMD if user_unit.usable() else HAND


def undo_way(record: Row) -> None:
    """Remove what starts the service at boot, and stop it; raises Refused."""
    if record.get("way") == SYSTEMD:
        user_unit.remove()
    elif record.get("way") == CRON:
        crontab.remove()


def start(record: Row) -> None:
    """Start the service and wait until it runs; raises Refused."""
    if record.get("way") == SYSTEMD:
        user_unit.restart()
    else:
        running_service.start(record["command"])
    if not running_service.started():
        last = read_text(folder.path(folder.LOG)).rpartition("\n")[2]
        raise Refused("The service does not run", last or "It ended at once", "Its log: %s" % _log())


def stop(record: Row) -> None:
    """Stop the service; raises Refused."""
    if record.get("way") == SYSTEMD:
        user_unit.stop()
    if not running_service.stop():
        raise Refused("The service does not end", "It may hang in the driver", "A reboot ends it")


def remove(asked: Row) -> Row:
    """Remove the service and everything that was made for it; raises Refused."""
    del asked
    record = load(folder.INSTALLED)
    undo_way(record)
    if not running_service.stop():
        raise Refused("The service does not end", "It may hang in the driver", "A reboot ends it")
    notes = []
    if record.get("linger"):
        counts = JobCounts().row()
        if counts["running"] or counts["queued"]:
            notes.append("Your jobs need the lingering that was allowed for it, so that stays")
        else:
            user_unit.forbid_linger()
    shutil.rmtree(folder.path(), ignore_errors=True)
    for made in sorted(record.get("made", ()), key=len, reverse=True):
        with contextlib.suppress(OSError):
            os.rmdir(made)  # only what is empty
    return dict(status(), notes=notes)


def status() -> Row:
    """Return how the service is: what runs, since when, at what cost, and the states of its outlets."""
    record, seen = load(folder.INSTALLED), load(folder.STATUS)
    process = running_service.identity()
    row: Row = {
        "installed": bool(record.get("command")),
        "way": record.get("way") or "",
        "version": installed_version(record),
        "running": process is not None,
        "folder": folder.path(),
        "log": _log(),
        "now": time.time(),
        "notes": notes(record) if record.get("command") else [],
    }
    if process is None:
        return row
    row["pid"] = process["pid"]
    if seen.get("process") != process:
        return row  # it has not written its status yet
    row.update((name, value) for name, value in seen.items() if name not in ("v", "process", "clock"))
    row["age"] = age(seen)
    return row


def installed_version(record: Row) -> str:
    """Return the version that is started; "" without one."""
    words = record.get("command") or ()
    return folder.version_of(os.path.dirname(words[4])) if len(words) > 4 else ""


def age(seen: Row) -> float:
    """Return the seconds since the last sign of life, by a clock that nobody sets.

    A full disk takes no status; then the service touches the file.
    """
    ages = [max(0.0, boot_clock() - float(seen.get("clock") or 0.0))]
    with contextlib.suppress(OSError):
        touched = time.time() - os.stat(folder.path(folder.STATUS)).st_mtime
        ages += [touched] if touched >= 0 else []
    return round(min(ages), 1)


def notes(record: Row) -> List[str]:
    """Return what the user should know about how the service is started."""
    found = []
    way, user = record.get("way"), users.current()
    by_hand = " ".join(map(shlex.quote, record.get("command") or ()))
    if way == SYSTEMD and not user_unit.lingers():
        found.append("It runs only while you are logged in; an administrator can change that: "
                     "loginctl enable-linger %s" % user)  # fmt: skip
    if way == CRON and not crontab.has_daemon():
        found.append("No cron runs on the box, so nothing starts it after a reboot; by hand: %s" % by_hand)
    if way == HAND and record.get("boot"):
        found.append("The box has neither lingering nor cron for you, so nothing starts it after a reboot; "
                     "by hand: %s" % by_hand)  # fmt: skip
    if way in (CRON, HAND) and systemd.ends_at_logout(user):
        found.append("The box ends your processes when you log out, and this one with them; an administrator "
                     "can change that: loginctl enable-linger %s" % user)  # fmt: skip
    return found


def _log() -> str:
    return folder.path(folder.LOG)


def _installed() -> Row:
    record = load(folder.INSTALLED)
    if not record.get("command"):
        raise Refused("The service is not installed", "Nothing is in %s" % folder.path(), "Install it first")
    return record


def update(asked: Row) -> Row:
    """Replace the program by this one, and start it, with the configuration that is there."""
    _installed()
    return install({"limits": asked.get("limits")})


def started(_: Row) -> Row:
    """Start the service, unless it runs."""
    record = _installed()
    if running_service.identity() is None:
        start(record)
    return status()


def stopped(_: Row) -> Row:
    """Stop the service."""
    stop(_installed())
    return status()


def test(_: Row) -> Row:
    """Ask the service for a test message; raises Refused where none could go out."""
    _installed()
    if "messages" not in (load(folder.CONFIG).get("outlets") or {}):
        raise Refused("No message can go out", "The service has no channels for messages", "Name some first")
    if running_service.identity() is None:
        raise Refused("No message can go out", "The service does not run", "Start it first")
    store(folder.TEST, {})
    running_service.reload()  # wakes it
    return status()


VERBS: Dict[str, Callable[[Row], Row]] = {
    "install": install,
    "update": update,
    "start": started,
    "stop": stopped,
    "test": test,
    "status": lambda _: status(),
    "remove": remove,
}


def serve(words: List[str]) -> int:
    """Serve one request; returns the exit code."""
    verb = words[0] if len(words) == 1 else ""
    if verb not in VERBS:
        raise Refused("Not understood", "There is no verb %s" % ascii(" ".join(words))[:200])
    os.umask(0o077)
    json_io.emit(VERBS[verb](json_io.request()))
    return 0


def main(words: List[str]) -> int:
    """Serve one request, or answer why not; returns the exit code."""
    return json_io.serve("The service failed on the box", lambda: serve(words))
