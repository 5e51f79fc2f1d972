"""Runs the program of fixes many times, and kills it at each call that changes the disk; prints what is left.

A process of its own, on any Python: each run is a fork of it. Arguments: the program's folder, a folder to
work in, and a JSON object: the files before by name, the requests that are made first, the verb with its
request that is killed, and at which calls of the next request that one is killed too. With `at`, only that
request is made, and killed at that call. With `agreeing`, sshd agrees to everything, and is not run.
"""

# pyright: basic
from __future__ import annotations

import json
import os
import shutil
import signal
import sys

CALLS = ("rename", "fsync", "mkdir", "chmod", "fchmod", "unlink", "rmdir", "write", "fork")
NEVER = 1 << 30


def run(verb, request, at=NEVER, timer=True):
    """Make a request, killed before the call number `at`; return its wait status and the number of calls.

    Without `timer`, the roll-back timer is killed as soon as it is started.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        asked, given = os.pipe()
        os.write(given, json.dumps(request).encode())
        os.close(given)
        os.dup2(asked, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        calls = [0]
        os.fsync = lambda _: None  # a kill loses nothing that was written, so that only the order counts
        timers.watch = uncounted(timers.watch, calls)
        if not timer:
            timers.start = killed(timers.start)
        for name in CALLS:
            setattr(os, name, counted(getattr(os, name), calls, at))
        status = main.main([verb])
        REAL(writing, b"%d" % calls[0])
        os._exit(status)
    os.close(writing)
    status = os.waitpid(child, 0)[1]
    calls = os.read(reading, 100)
    os.close(reading)
    return status, int(calls or 0)


def uncounted(watch, calls):
    """Return a function in which no call is the one at which a process is killed."""

    def call(*arguments):
        calls[0] = -NEVER
        watch(*arguments)

    return call


def killed(start):
    """Return a function that starts a timer, and kills it."""

    def call(journal, entry, recover):
        start(journal, entry, recover)
        os.kill(entry.row["timer"]["pid"], signal.SIGKILL)

    return call


def counted(real, calls, at):
    """Return a function that counts its calls together with others, and is not reached at one of them."""

    def call(*arguments, **options):
        calls[0] += 1
        if calls[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    return call


def tree(folder):
    """Return content and permission bits of all in a folder, and which names are temporary."""
    found = {}
    for top, folders, names in os.walk(folder):
        for name in folders + names:
            path = os.path.join(top, name)
            text = ""
            if name in names:
                with open(path) as file:
                    text = file.read()
            found[os.path.relpath(path, folder)] = [text, os.lstat(path).st_mode & 0o7777]
    return found


def fresh(work, scene):
    """Make the files and the journal new, and make the first requests."""
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(os.path.join(work, "etc"))
    for name, (text, mode) in scene["files"].items():
        path = os.path.join(work, "etc", name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
    for verb, request in scene["first"]:
        assert run(verb, request)[0] == 0, (verb, request)


def states(work):
    """Return the states of all entries by id."""
    journal = os.path.join(work, "journal")
    names = os.listdir(journal) if os.path.isdir(journal) else []
    return {
        name: (journal_of.load(os.path.join(journal, name)) or {}).get("state")
        for name in names
        if name[0] != "."
    }


def observe(work, scene, at, second):
    """Kill a request, perhaps the next one too, and let a last one recover; return what there was."""
    fresh(work, scene)
    status, calls = run(*scene["killed"], at=at)
    row = {"at": at, "second": second, "status": status, "calls": calls, "crashed": tree(work + "/etc")}
    row["states"] = states(work)
    if second:
        run("list", {}, at=second)
        row["crashed_again"] = tree(work + "/etc")
    assert run("list", {})[0] == 0
    row.update(recovered=tree(work + "/etc"), end=states(work))
    for verb, request in scene.get("last", ()):
        assert run(verb, request)[0] == 0, (verb, request)
    return {**row, "last": tree(work + "/etc")}


def all_of(work, scene):
    """Print what is left after each crash."""
    seconds = [0, *scene["seconds"]]
    fresh(work, scene)
    total = run(*scene["killed"])[1]
    for at in range(1, total + 2):
        print(json.dumps(observe(work, scene, at, seconds[at % len(seconds)])))


if __name__ == "__main__":
    REAL = os.write
    sys.path.insert(0, sys.argv[1])
    os.environ["GPUBOX_FIXES_DIR"] = os.path.join(sys.argv[2], "journal")
    from gpubox.remote.fixes import journal as journal_of
    from gpubox.remote.fixes import main, reload, sshd
    from gpubox.remote.fixes import timer as timers

    asked = json.loads(sys.argv[3])
    if asked.get("agreeing"):
        timers.start = sshd.verify = lambda *_: None
        sshd.test = lambda _: ""
        reload.listener = lambda _: None
        reload.reload = lambda *_: ("", "")
    if "at" in asked:
        print(json.dumps(run(*asked["killed"], at=asked["at"], timer=asked["timer"])))
    else:
        all_of(sys.argv[2], asked)
