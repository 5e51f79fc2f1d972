"""Writes the user's settings file: creates it from a commented template, adds boxes, sets the theme."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, MutableSequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from gpubox.config.places import shipped, short
from gpubox.config.settings import BoxEntry, Settings
from gpubox.core import new_file
from gpubox.core.errors import ConfigError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_VALUE = re.compile(r"^(?=[a-z_]+ = )", re.MULTILINE)


def template() -> str:
    """Return the shipped settings with every value commented out, so that later defaults still apply."""
    return _VALUE.sub("#", shipped("gpubox.toml").read_text("utf-8"))


def init(path: Path) -> None:
    """Write the template to `path`; raises ConfigError when something is there or it cannot be written."""
    if path.exists():
        raise ConfigError("The settings file is there already", short(path), "Nothing was changed")
    _write(path, template())


def dump(settings: Settings) -> str:
    """Return settings as TOML."""
    import tomlkit

    return tomlkit.dumps(cast("dict[str, object]", msgspec.to_builtins(settings)))


def add_box(path: Path, box: BoxEntry) -> None:
    """Add a [[box]] to the file, which is created if needed; everything else in it stays, comments too.

    Raises ConfigError when a box of that name is there, the file is no TOML, or it cannot be written.
    """
    import tomlkit
    from tomlkit.items import AoT

    text, document = _document(path)
    if box.name in _names(tomllib.loads(text)):
        raise ConfigError("There is such a box already", f"{short(path)}: [[box]] `{box.name}`", "")
    table = tomlkit.table()
    for key, value in cast("dict[str, object]", msgspec.to_builtins(box)).items():
        table.append(key, value)
    if "box" not in document:
        document.append("box", tomlkit.aot())
    boxes = document.item("box")
    if not isinstance(boxes, AoT):
        raise ConfigError("The settings file cannot be added to", f"{short(path)}: `box` is not [[box]]", "")
    if not text.endswith("\n\n"):
        table.trivia.indent = "\n"  # an empty line before the new table
    cast("MutableSequence[object]", boxes).append(table)
    _write(path, tomlkit.dumps(document))


def set_theme(path: Path, theme: str) -> None:
    """Set [ui] `theme` in the file, which is created if needed; everything else in it stays.

    Raises ConfigError when the file is no TOML, or it cannot be written.
    """
    import tomlkit
    from tomlkit.items import Table

    _, document = _document(path)
    if "ui" not in document:
        document.append("ui", tomlkit.table())
    ui = document.item("ui")
    if not isinstance(ui, Table):
        raise ConfigError("The settings file cannot be changed", f"{short(path)}: `ui` is not a table", "")
    ui["theme"] = theme
    _write(path, tomlkit.dumps(document))


def _document(path: Path) -> tuple[str, TOMLDocument]:
    """Return the file's text, or the template's, and what it holds; raises ConfigError."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        text = path.read_text("utf-8") if path.exists() else template()
        return text, tomlkit.parse(text)
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigError("The settings file cannot be read", f"{short(path)}: {error}", "") from error


def _names(table: Mapping[str, object]) -> set[object]:
    entries = table.get("box")
    if not isinstance(entries, list):
        return set()
    tables = [
        cast("dict[str, object]", item) for item in cast("list[object]", entries) if isinstance(item, dict)
    ]
    return {item.get("name") for item in tables}


def _write(path: Path, text: str) -> None:
    """Replace the file atomically: a full disk must not truncate somebody's settings."""
    path = path.resolve()  # a symlink into a dotfiles folder stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = new_file.temporary(path)
        new_file.make(temporary, text.encode(), path.stat().st_mode & 0o777 if path.exists() else 0o600)
        try:
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        problem = f"{short(path)}: {error.strerror or error}"
        raise ConfigError("The settings file cannot be written", problem, "") from error
