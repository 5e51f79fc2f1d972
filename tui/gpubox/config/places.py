"""Paths on this machine: the user's settings and log, and the files that ship with the program."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

APP = "gpubox-tui"
"""Name of the folders for settings, state and logs."""
PACKAGE = Path(__file__).parents[1]
"""The folder of the import package."""
VARIABLE = "GPUBOX_CONFIG"
"""Names another settings file."""


def settings_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's settings file, whether it exists or not; $GPUBOX_CONFIG comes first."""
    named = environment.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    from platformdirs import user_config_path  # 30 ms that `--help` does not need

    return user_config_path(APP) / "gpubox.toml"


def log_file() -> Path:
    """Return the file that warnings and errors of the panel go to when no other is named."""
    from platformdirs import user_log_path

    return user_log_path(APP) / "gpubox.log"


def shipped(name: str) -> Path:
    """Return a file of config/: from the installed package, else from the checkout.

    The package comes first: in an installed wheel the folder two levels up belongs to Python.
    Raises FileNotFoundError when neither has it.
    """
    packed = PACKAGE / "_config"
    file = (packed if packed.is_dir() else PACKAGE.parents[1] / "config") / name
    if not file.is_file():
        raise FileNotFoundError(f"{name} is not in {file.parent}")
    return file


def short(path: Path) -> str:
    """Return a path as people write it, with ~ for the home folder."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
