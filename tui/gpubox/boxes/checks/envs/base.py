"""Whether conda's base environment is active without being asked for."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.envs.facts import EnvsFacts
from gpubox.boxes.checks.fix import FileEdit, Fix
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(EnvsFacts)
    if not facts.conda_roots:
        return not_here("The box has no conda")
    if facts.path_file:
        file = clean(facts.path_file, 60)
        return hint(
            f"~/{file} puts the programs of base before those of the system",
            f"Delete the line with PATH from ~/{file}, then run: conda init",
            value="always",
        )
    if facts.init_file and facts.auto_base:
        return hint(
            f"Every new shell starts in base, by ~/{clean(facts.init_file, 60)}",
            "conda config --set auto_activate_base false",
            value="always",
            fix=_fix(facts),
        )
    if facts.init_file:
        return ok("conda is ready in shells, and base stays off", value="off")
    return ok("No start file activates base", value="off")


def _fix(facts: EnvsFacts) -> Fix | None:
    """Return the fix that turns base off in the user's condarc."""
    new = facts.without_base
    if new is None or new.path != f"{facts.home}/.condarc":
        return None
    return Fix(
        "Leave base off in new shells",
        "A new shell has no conda environment until `conda activate NAME`. Open shells stay as they are.",
        needs_root=False,
        files=(FileEdit(new.path, new.text),),
    )


CHECK = Check(
    id="envs.base",
    title="Base is not active by itself",
    why="A shell that starts in base finds the Python of base first: what `pip install` brings lands "
    "there and breaks conda itself, programs of the system may meet libraries of conda, and each login "
    "takes up to a second longer. With the setting off, `conda activate NAME` works as before. Jobs of "
    "this panel take the environment that they name.",
    command="conda config --show auto_activate_base; grep -n conda ~/.bashrc ~/.zshrc",
    needs=(EnvsFacts,),
    judge=_judge,
    depends_on=("envs.conda",),
)
