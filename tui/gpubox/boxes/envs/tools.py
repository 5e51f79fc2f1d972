"""How each tool creates, changes and removes environments: a table of commands, with no shell in between.

`{tool}`, `{prefix}`, `{new}`, `{file}` and `{python}` stand for one word each, `{packages}` for any number.
A step of several commands is a small sh script that gets its words as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gpubox.core.errors import ConfigError

Verb = Literal["create", "from", "clone", "rename", "export", "install", "remove"]
ToolName = Literal["conda", "mamba", "pip", "uv", "pixi"]
Step = tuple[str, ...]

FILE = "env.sh"
SH = ("/bin/sh", "{files}/" + FILE)

# $1 is a new folder; ~ is the box's home, which only the box knows. A failed step is undone.
_FRESH = """\
case $1 in "~/"*) new=$HOME/${1#"~/"} ;; *) new=$1 ;; esac; shift
if [ -e "$new" ] || [ -L "$new" ]; then echo "$new is there already" >&2; exit 1; fi
mkdir -p -- "$(dirname -- "$new")" || exit 1
undo() { status=$?; [ "$status" = 0 ] || rm -rf -- "$new"; exit "$status"; }
"""
_KEEP = "list=$new.packages.txt; trap 'rm -f -- \"$list\"' EXIT\n"
_REMOVE_VENV = (
    'if [ ! -f "$old/pyvenv.cfg" ]; then echo "$old is no virtual environment" >&2; exit 1; fi\n'
    'rm -rf -- "$old"\n'
)
SCRIPTS: Mapping[str, str] = {
    "export": 'out=$1; shift; "$@" >"$out.part" && mv -- "$out.part" "$out" && cat -- "$out"\n',
    # A workspace was called a project before pixi 0.41.
    "pixi export": "out=$1 pixi=$2; shift 2\n"
    'if "$pixi" workspace --help >/dev/null 2>&1; then word=workspace; else word=project; fi\n'
    '"$pixi" "$word" export conda-environment "$@" >"$out.part" && mv -- "$out.part" "$out" '
    '&& cat -- "$out"\n',
    # conda silently replaces an existing environment of the same name.
    "conda create": _FRESH + 'tool=$1; shift; "$tool" create --yes --prefix "$new" "$@" || undo\n',
    "mamba clone": _FRESH + _KEEP + '"$1" env export --explicit --prefix "$2" >"$list" || exit\n'
    '"$1" create --yes --prefix "$new" --file "$list" || undo\n',
    "mamba rename": _FRESH + _KEEP + '"$1" env export --explicit --prefix "$2" >"$list" || exit\n'
    '"$1" create --yes --prefix "$new" --file "$list" || undo\n'
    '"$1" env remove --yes --prefix "$2"\n',
    "pip create": _FRESH + 'python=$1; shift; "$python" -m venv -- "$new" || undo\n'
    'if [ $# != 0 ]; then "$new/bin/python" -m pip install "$@" || undo; fi\n',
    "pip from": _FRESH + '"$1" -m venv -- "$new" || undo\n'
    '"$new/bin/python" -m pip install --requirement "$2" || undo\n',
    "pip clone": _FRESH + _KEEP + '"$1/bin/python" -m pip freeze >"$list" || exit\n'
    '"$1/bin/python" -m venv -- "$new" || undo\n'
    'if [ -s "$list" ]; then "$new/bin/python" -m pip install --requirement "$list" || undo; fi\n',
    "uv create": _FRESH + "uv=$1 python=$2; shift 2\n"
    'if [ -n "$python" ]; then "$uv" venv --python "$python" -- "$new"'
    '; else "$uv" venv -- "$new"; fi || undo\n'
    'if [ $# != 0 ]; then "$uv" pip install --python "$new/bin/python" "$@" || undo; fi\n',
    "uv from": _FRESH + '"$1" venv -- "$new" || undo\n'
    '"$1" pip install --python "$new/bin/python" --requirement "$2" || undo\n',
    "uv clone": _FRESH + _KEEP + '"$1" pip freeze --python "$2/bin/python" >"$list" || exit\n'
    '"$1" venv --python "$2/bin/python" -- "$new" || undo\n'
    'if [ -s "$list" ]; then "$1" pip install --python "$new/bin/python" --requirement "$list" || undo; fi\n',
    "venv remove": "old=$1\n" + _REMOVE_VENV,
    "pixi create": _FRESH + 'pixi=$1; shift; "$pixi" init "$new" || undo\n'
    'if [ $# != 0 ]; then "$pixi" add --manifest-path "$new/pixi.toml" "$@" || undo\n'
    'else "$pixi" install --manifest-path "$new/pixi.toml" || undo; fi\n',
    "pixi from": _FRESH + '"$1" init --import "$2" "$new" || undo\n'
    '"$1" install --manifest-path "$new/pixi.toml" || undo\n',
}
"""Small scripts by name. A renamed venv is recreated, because its scripts hold the old path."""

_CONDA: Mapping[Verb, Step] = {
    "create": ("sh:conda create", "{new}", "{tool}", "{packages}"),
    "from": ("{tool}", "env", "create", "--prefix", "{new}", "--file", "{file}"),
    "clone": ("sh:conda create", "{new}", "{tool}", "--clone", "{prefix}"),
    "rename": ("{tool}", "rename", "--prefix", "{prefix}", "{new}"),
    "export": ("sh:export", "environment.yml", "{tool}", "env", "export", "--prefix", "{prefix}"),
    "install": ("{tool}", "install", "--yes", "--prefix", "{prefix}", "{packages}"),
    "remove": ("{tool}", "env", "remove", "--yes", "--prefix", "{prefix}"),
}
_PIP: Mapping[Verb, Step] = {
    "create": ("sh:pip create", "{new}", "{python}", "{packages}"),
    "from": ("sh:pip from", "{new}", "{python}", "{file}"),
    "clone": ("sh:pip clone", "{new}", "{prefix}"),
    "rename": ("sh:pip rename", "{new}", "{prefix}"),
    "export": ("sh:export", "requirements.txt", "{prefix}/bin/python", "-m", "pip", "freeze"),
    "install": ("{prefix}/bin/python", "-m", "pip", "install", "{packages}"),
    "remove": ("sh:venv remove", "{prefix}"),
}
TOOLS: Mapping[ToolName, Mapping[Verb, Step]] = {
    "conda": _CONDA,
    "mamba": {
        **_CONDA,
        "from": ("sh:conda create", "{new}", "{tool}", "--file", "{file}"),
        "clone": ("sh:mamba clone", "{new}", "{tool}", "{prefix}"),
        "rename": ("sh:mamba rename", "{new}", "{tool}", "{prefix}"),
    },
    "pip": _PIP,
    "uv": {
        "create": ("sh:uv create", "{new}", "{tool}", "{python}", "{packages}"),
        "from": ("sh:uv from", "{new}", "{tool}", "{file}"),
        "clone": ("sh:uv clone", "{new}", "{tool}", "{prefix}"),
        "rename": ("sh:uv rename", "{new}", "{tool}", "{prefix}"),
        "export": (
            *("sh:export", "requirements.txt"),
            *("{tool}", "pip", "freeze", "--python", "{prefix}/bin/python"),
        ),
        "install": ("{tool}", "pip", "install", "--python", "{prefix}/bin/python", "{packages}"),
        "remove": ("sh:venv remove", "{prefix}"),
    },
    "pixi": {
        "create": ("sh:pixi create", "{new}", "{tool}", "{packages}"),
        "from": ("sh:pixi from", "{new}", "{tool}", "{file}"),
        "export": (
            *("sh:pixi export", "environment.yml", "{tool}"),
            *("--manifest-path", "{manifest}", "--environment", "{environment}"),
        ),
        "install": ("{tool}", "add", "--manifest-path", "{manifest}", "{feature}", "{packages}"),
        "remove": ("{tool}", "clean", "--manifest-path", "{manifest}", "--environment", "{environment}"),
    },
}
"""The commands of each tool; mamba stands for mamba 2 and micromamba, which have neither --clone nor
rename."""
QUIET: Mapping[str, str] = {
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "CONDA_NOTIFY_OUTDATED_CONDA": "false",
    "MAMBA_NO_BANNER": "1",
    "PIXI_NO_PROGRESS": "true",
}
"""Variables that are set for every tool: no prompts, progress bars or notes about newer versions."""


def script(name: str) -> str:
    """Return a script for sh."""
    if name in SCRIPTS:
        return SCRIPTS[name]
    tool, _, verb = name.partition(" ")
    if verb != "rename":
        raise KeyError(name)
    old = "$1" if tool == "pip" else "$2"
    return f"{SCRIPTS[f'{tool} clone']}old={old}\n{_REMOVE_VENV}"


def command(
    tool: ToolName, verb: Verb, values: Mapping[str, str], packages: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the argv of a command, and the script that is sent along with it, if any.

    Raises ConfigError for a verb that the tool lacks.
    """
    step = TOOLS[tool].get(verb)
    if step is None:
        raise ConfigError(
            f"{tool} cannot do that",
            f"{tool} knows environments by its manifest: none can be made by `{verb}`",
            "Edit the manifest in the project's folder",
        )
    words: list[str] = []
    files: dict[str, str] = {}
    for word in step:
        if word.startswith("sh:"):
            files[FILE] = script(word[3:])
            words += SH
        elif word == "{packages}":
            words += packages
        elif word == "{feature}":
            words += ("--feature", values["environment"]) if values["environment"] != "default" else ()
        else:
            for name, value in values.items():
                if f"{{{name}}}" in word:
                    word = word.replace(f"{{{name}}}", value)
                    break
            words.append(word)
    return tuple(words), files
