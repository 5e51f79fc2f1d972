"""Finding a Python on a box: commands of sh that every program of ours begins with."""

from __future__ import annotations

from gpubox.core.errors import ConfigError

_CANDIDATES = (
    "python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 "
    "/usr/libexec/platform-python $HOME/miniconda3/bin/python $HOME/anaconda3/bin/python "
    "$HOME/miniforge3/bin/python $HOME/mambaforge/bin/python /opt/conda/bin/python python"
)

# No single quote, backslash, exclamation mark or newline may stand in here: fish, tcsh and the POSIX shells
# agree on what a quoted word is only without them. The interpreter that worked is remembered per host name,
# because homes on a network disk are shared by boxes with different Pythons, and a pyenv shim costs 50 ms.
_CHOOSE = (
    'd="${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}/gpubox"; h=; p=; '
    "%(remembered)sfor c in %(candidates)s; do "
    'if "$c" -I -S -c "import sys;sys.exit(sys.version_info<(3,8))" </dev/null >/dev/null 2>&1; '
    "then p=$c; break; fi; done%(end)s; "
)
_REMEMBERED = (
    "{ read -r h </proc/sys/kernel/hostname; } 2>/dev/null; "
    '{ read -r p <"$d/python.$h"; } 2>/dev/null; [ -n "$p" ] && [ -x "$p" ] || { p=; '
)


def choose_python(python: str = "") -> str:
    """Return commands of sh that leave a Python of the box in $p, or nothing in it where there is none.

    $d is the folder of all our programs then, and $h the name under which boot.py is to remember the Python
    there, or nothing. They hold no single quote, so that they may stand between two of them. `python` is one
    that the user named. Raises ConfigError when that holds a character that shells disagree about.
    """
    if python:
        return _CHOOSE % {"remembered": "", "candidates": _word(python), "end": ""}
    return _CHOOSE % {"remembered": _REMEMBERED, "candidates": _CANDIDATES, "end": "; }"}


def _word(python: str) -> str:
    if bad := set(python) & set("'\"\\`$!\n\r"):
        raise ConfigError(
            "This Python cannot be named",
            f"`python` of the box holds {' '.join(sorted(map(repr, bad)))}",
            "Make a link to it with a plain name",
        )
    return f'"$HOME/{python[2:]}"' if python.startswith("~/") else f'"{python}"'
