"""Checks the user's own keys against all bindings of the program."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace

from textual.keys import Keys

from gpubox.core.errors import ConfigError
from gpubox.ui.keys import Entry, entries


def everything(app: type) -> dict[str, Entry]:
    """Return every binding of an app, its screens and its panels by id; imports all of them."""
    from gpubox.ui.log import pane, view
    from gpubox.ui.panels.jobs import compare_screen, form, job_screen, results_screen
    from gpubox.ui.registry import panel_modules
    from gpubox.ui.screens import ask, box, checks, fix_preview, guide, help, monitor, picker, replay, run

    classes: list[type] = [app]
    screens = (ask, box, compare_screen, help, job_screen, form, results_screen, picker, replay, run)
    setup = (checks, fix_preview, guide, monitor)
    for module in (*screens, *setup, pane, view, *panel_modules()):
        classes += [
            value
            for value in vars(module).values()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
    return {entry.id: entry for each in classes for entry in entries(each)}


def keymap(own: Mapping[str, str], app: type) -> tuple[dict[str, str], list[ConfigError]]:
    """Return the valid part of a user's keymap, and one error for each invalid key."""
    known = everything(app) if own else {}
    usable: dict[str, str] = {}
    errors: list[ConfigError] = []
    for name, keys in own.items():
        error = _unknown_id(name, known) or _unknown_key(name, keys)
        if error is None:
            usable[name] = keys
        else:
            errors.append(error)
    final = {
        name: replace(entry, keys=tuple(key.strip() for key in usable[name].split(",")))
        if name in usable
        else entry
        for name, entry in known.items()
    }
    for name in tuple(usable):
        if (clash := _clash(final[name], final.values(), known)) is not None:
            errors.append(clash)
            del usable[name]
            final[name] = known[name]
    return usable, errors


def _unknown_id(name: str, known: Mapping[str, Entry]) -> ConfigError | None:
    if name in known:
        return None
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]}?" if close else "F1 lists the names of all keys"
    return ConfigError("Unknown name in [keys]", f'Nothing is called "{name}"', hint)


def _unknown_key(name: str, keys: str) -> ConfigError | None:
    for key in keys.split(","):
        if not _is_key(key.strip()):
            return ConfigError(
                "Unknown key in [keys]",
                f'"{key}" for {name} is not a key',
                "Use one character, or a name such as f5, ctrl+t, space, pageup",
            )
    return None


def _is_key(key: str) -> bool:
    last = key.rpartition("+")[2] or key[-1:]
    if len(last) == 1 or last in {known.value for known in Keys}:
        return True
    try:
        unicodedata.lookup(last.replace("_", " ").upper())
    except KeyError:
        return False
    return True


def _clash(changed: Entry, others: Iterable[Entry], known: Mapping[str, Entry]) -> ConfigError | None:
    """Return the error when another action that is active at the same time has the same key.

    Two actions that share a key by default may share another: only one of them is available at a time.
    """
    own = set(known[changed.id].keys)
    for other in others:
        if other.id == changed.id or own & set(known[other.id].keys):
            continue
        if set(other.keys) & set(changed.keys) and _together(changed, other):
            return ConfigError(
                "A key is taken",
                f"{changed.id} and {other.id} would both be {changed.keys[0]}",
                f"{changed.id} keeps its own key; choose another in [keys]",
            )
    return None


def _together(one: Entry, other: Entry) -> bool:
    """Return whether both can be active at the same time: in one panel, or on the screen or app around it."""
    rooms = {one.id.partition(".")[0], other.id.partition(".")[0]}
    if one.modal or other.modal:
        return len(rooms) == 1
    return len(rooms) == 1 or "app" in rooms or (bool(rooms & {"box", "replay"}) and "picker" not in rooms)
