"""Host aliases in ~/.ssh/config, for the list of boxes."""

from __future__ import annotations

from pathlib import Path

from gpubox.ssh.openssh_config import config_lines


def aliases(config_file: Path | None = None) -> list[str]:
    """Return the concrete Host names of a configuration and its includes, in order, without duplicates.

    Patterns and negations are left out: nobody can log in to `*`. A file that cannot be read gives nothing.
    """
    names = (name for keyword, values in config_lines(config_file) if keyword == "host" for name in values)
    return list(dict.fromkeys(name for name in names if not set(name) & set("*?!")))
