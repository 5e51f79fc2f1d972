"""Finds a Python on a box: sh commands that begin every program of ours."""

from __future__ import annotations

from gpubox.core.errors import ConfigError

_CANDIDATES = (
    "python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 "
    "/usr/libexec/platform-python $HOME/miniconda3/bin/python $HOME/anaconda3/bin/python "
    "$HOME/miniforge3/bin/python $HOME/mambaforge/bin/python /opt/conda/bin/python python"
)
_OF_THE_SYSTEM = "/usr/bin/python3 /usr/libexec/platform-python"

# No single quotes, backslashes, exclamation marks or newlines here: only without them do fish, tcsh and the
# POSIX shells agree on quoted words. The interpreter that worked is stored per host name, because boxes with
# different Pythons share homes on a network disk, and a pyenv shim costs 50 ms.
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


def choose_python(python: str = "", *, for_root: bool = False) -> str:
    """Return sh commands that set $p to a Python of the box, or leave it empty when there is none.

    They also set $d to the folder of all our programs, and $h to the name under which boot.py stores the
    Python there, or to nothing. They contain no single quote, so that they can be single-quoted. `python` is
    one that the user named; raises ConfigError when it contains a character that shells disagree about.
    `for_root` prefers those of the system, which only root can replace, to the one that is remembered.
    """
    if python:
        return _CHOOSE % {"remembered": "", "candidates": _word(python), "end": ""}
    if for_root:
        return _CHOOSE % {"remembered": "", "candidates": f"{_OF_THE_SYSTEM} {_CANDIDATES}", "end": ""}
    return _CHOOSE % {"remembered": _REMEMBERED, "candidates": _CANDIDATES, "end": "; }"}


def _word(python: str) -> str:
    if bad := set(python) & set("'\"\\`$!\n\r"):
        raise ConfigError(
            "This Python cannot be named",
            f"`python` of the box holds {' '.join(sorted(map(repr, bad)))}",
            "Make a link to it with a plain name",
        )
    return f'"$HOME/{python[2:]}"' if python.startswith("~/") else f'"{python}"'
