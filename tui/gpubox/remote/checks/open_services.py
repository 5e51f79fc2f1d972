"""What listens for other machines, in the form of remote/services.py, without any secret in it."""

from __future__ import annotations

import re

from gpubox.remote import services

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List

    Row = Dict[str, Any]

INTERPRETER = re.compile(r"(python|pypy)[\d.]*|node|nodejs|ruby|perl|deno|bun|sh|bash|dash")
HARMLESS = ("none", "None", "password", "no", "yes", "true", "false", "")
"""Values of options that are no secrets, and that say whether one is needed."""
TAKES_WORD = ("-W", "-X", "--require", "-r", "--loader")
"""Options of interpreters that take an argument."""
SUBCOMMAND = re.compile(r"[A-Za-z][\w./-]{0,40}")


def look() -> Row:
    """Return the listeners and their processes."""
    answer = services.look()
    rows = [
        row for row in answer["listeners"] if not (row["host"].startswith("127.") or row["host"] == "::1")
    ]
    pids = {str(row.get("pid", row.get("guess"))) for row in rows}
    ports = {row["port"] for row in rows}
    notes = [row for row in answer["jupyter"] if row.get("port") in ports]
    return {
        "v": answer["v"],
        "uid": answer["uid"],
        "proc": answer["proc"],
        "listeners": rows[:200],
        "processes": {pid: bare(row) for pid, row in answer["processes"].items() if pid in pids},
        "programs": {uid: [bare(row) for row in many] for uid, many in answer["programs"].items()},
        "jupyter": [noted(row) for row in notes][:50],
        "zabbix": answer["zabbix"],
    }


def noted(row: Row) -> Row:
    """Return what a Jupyter server wrote about itself, with a mark in place of its token."""
    numbers = {key: row[key] for key in ("pid", "owner", "port") if isinstance(row.get(key), int)}
    return {**numbers, "token": mark(row.get("token")), "password": bool(row.get("password"))}


def mark(value: object) -> str:
    """Return a mark for a secret that is set, and nothing for an empty one."""
    return "set" if value else ""


def bare(process: Row) -> Row:
    """Return a process with what it is recognized by: program, script, names of options."""
    row = {key: process[key] for key in ("pid", "name", "uid", "user") if key in process}
    return {**row, "token": mark(process.get("token")), "words": scrubbed(process.get("words") or [])}


def scrubbed(words: List[str]) -> List[str]:
    """Return a command line in which a mark stands for each value, which may be a secret."""
    rest = words[0].split() + words[1:] if len(words) == 1 else list(words)
    found = [word[:200] for word in rest[:1]]
    del rest[:1]
    if found and INTERPRETER.fullmatch(found[0].rpartition("/")[2]):
        found += script(rest)
    commands_left = 2
    value = False
    for word in rest:
        name, equals, given = word.partition("=")
        if word.startswith("-"):
            shown = "=%s" % (given if given in HARMLESS else "set") if equals else ""
            found.append(name[:60] + shown)
            value = not equals
        elif value:
            found.append(word if word in HARMLESS else "set")
            value = False
        elif commands_left and SUBCOMMAND.fullmatch(word):
            found.append(word)
            commands_left -= 1
    return found


def script(rest: List[str]) -> List[str]:
    """Take the options of an interpreter and its script or module from a command line, and return them."""
    found: List[str] = []
    while rest:
        word = rest.pop(0)
        if word == "-c":
            del rest[:]  # a program, and its own arguments
        elif word == "-m":
            found += [word, *(name[:100] for name in rest[:1])]
            del rest[:1]
            break
        elif not word.startswith("-"):
            found.append(word[:200])
            break
        elif word in TAKES_WORD:
            del rest[:1]
    return found
