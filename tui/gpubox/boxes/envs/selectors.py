"""Resolves which environment a word means, and which folder a place means."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from gpubox.core.env import Env, Root
from gpubox.core.errors import RemoteError
from gpubox.core.sanitize import clean

_NAMED = 8
"""Environments that an error names."""


def choose(envs: Sequence[Env], word: str, box: str) -> Env:
    """Return the environment that a word means: its folder, its name, or a part that only one has.

    Raises RemoteError with the existing environments when it matches none of them, or several.
    """
    word = word.strip() if word.strip() else word
    low = word.lower().rstrip("/")
    tests: tuple[Callable[[Env], bool], ...] = (
        lambda env: env.prefix == word.rstrip("/") or env.prefix == word,
        lambda env: env.name == word,
        lambda env: env.name.lower() == low or clean(env.name).strip() == word,  # as displayed
        lambda env: "/" in low and env.prefix.lower().endswith("/" + low.lstrip("~./")),
        lambda env: bool(low) and env.name.lower().startswith(low),
        lambda env: bool(low) and low in env.name.lower(),
    )
    for test in tests:
        fitting = [env for env in envs if test(env)]
        whole = [env for env in fitting if not env.broken] or fitting
        if len(whole) == 1:
            return whole[0]
        if whole:
            places = ", ".join(clean(env.prefix, 80) for env in whole[:_NAMED])
            raise RemoteError(
                "Several environments", f"{clean(word, 40)} may be {places} on {box}", "Name its folder"
            )
    names = [env.name for env in envs]
    close = difflib.get_close_matches(word, names, 3)
    if close:
        hint = f"Did you mean {' or '.join(clean(name, 40) for name in close)}?"
    elif names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        hint = f"There is {', '.join(clean(name, 40) for name in names[:_NAMED])}{more}"
    else:
        hint = "Create one, or name folders with projects in envs.folders of the settings"
    raise RemoteError("No such environment", f"{box} has no environment called {clean(word, 60)}", hint)


def root_for(roots: Sequence[Root], where: str, box: str) -> Root:
    """Return the installation that a place means, or the first one for an empty place; raises RemoteError."""
    usable = [root for root in roots if root.tool and root.flavor not in ("uv", "pixi")]
    if not where and usable:
        return usable[0]
    for root in usable:
        if where.rstrip("/") in (root.path, root.envs) or where == root.flavor:
            return root
    if usable:
        places = ", ".join(clean(root.path, 80) for root in usable)
        raise RemoteError(
            "No such installation", f"{box} has no conda in {clean(where, 80)}", f"There is {places}"
        )
    raise RemoteError(
        "No conda on the box",
        f"{box} has no conda, mamba or micromamba that could make an environment",
        "Make a venv, or install Miniforge there",
    )
