"""Activates a software environment of this box as its own tool would, without running that tool.

Runs ON the box under Python 3.8 or newer with only the standard library; the supervisor of jobs calls
`activate` in a child process, shell.py calls `changes`. `conda run` takes 2.5 s and hides how a command
ended; this takes 0.2 ms, and 4 ms with scripts of activate.d.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time

from gpubox.remote import inherited, state
from gpubox.remote.envs import condarc
from gpubox.remote.kernel_files import contents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

    Row = Dict[str, Any]

SCRIPTS = 25.0
"""Seconds for all scripts of activate.d together: they may wait for input or the network."""
UNSET = "***unset***"
"""conda's mark for a variable that it must not set."""
GENERIC = frozenset((".venv", "venv", ".env", "env", ".conda", "conda", "envs", ".virtualenv", "virtualenv"))
"""Generic names of folders: such an environment is named after its project's folder."""
SHELLS = frozenset(("_", "SHLVL", "PWD", "OLDPWD", "BASH_ENV", "ENV"))
"""Variables that the shell of the scripts sets for itself."""
UNREADABLE = "Its folder may not be read by this login"
EXPORTS_ROOT = 26
"""The first version of conda that sets _CONDA_EXE and _CONDA_ROOT."""
CONDAS = ("bin/conda", "condabin/conda")
MICROMAMBAS = ("~/.local/bin/micromamba", "~/bin/micromamba", "~/micromamba/bin/micromamba")


class ActivationError(Exception):
    """An environment cannot be activated; the text says why."""


def read(path: str, limit: int = 65536) -> str:
    """Return a small text file, or "" when it cannot be read; never waits for a pipe."""
    return contents(path, limit).decode("utf-8", "surrogateescape")


def config(prefix: str) -> Dict[str, str]:
    """Return the lines of a venv's pyvenv.cfg, by lower-case name."""
    found: Dict[str, str] = {}
    for line in read(prefix + "/pyvenv.cfg", 8192).splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip().lower()] = value.strip()
    return found


def is_file(path: str) -> bool:
    """Return whether a file exists; false when it is not accessible."""
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False


def is_root(path: str) -> bool:
    """Return whether a folder is the root of an installation of conda or mamba."""
    return any(os.path.lexists(path + "/" + name) for name in (*CONDAS, "etc/profile.d/conda.sh"))


def maker(prefix: str) -> str:
    """Return the program that created a conda environment, from the first line of its history."""
    found = re.search(
        r"^# cmd: (.+?/(?:conda|mamba|micromamba))(?: |$)", read(prefix + "/conda-meta/history", 4096), re.M
    )
    return found.group(1) if found else ""


def root_of(prefix: str) -> str:
    """Return the installation of a conda environment; empty when none is found."""
    if is_root(prefix):
        return prefix
    parent, last = os.path.split(os.path.dirname(prefix))
    if last == "envs":
        return parent
    made_by = maker(prefix)
    if made_by:
        above = os.path.dirname(os.path.dirname(made_by))
        if is_root(above):
            return above
    base = os.environ.get("CONDA_EXE", "")
    return os.path.dirname(os.path.dirname(base)) if is_file(base) else ""


def name_of(prefix: str, kind: str = "conda") -> str:
    """Return the usual name of an environment."""
    above, name = os.path.split(prefix)
    if kind == "conda":
        if is_root(prefix):
            return "base"
        return name if name not in GENERIC else os.path.basename(above) or name
    if kind == "pixi":
        project = os.path.basename(pixi_project(prefix)) or re.sub(
            r"-\d+$", "", os.path.basename(os.path.dirname(above))
        )
        return project if name == "default" else "%s:%s" % (project, name)
    prompt = config(prefix).get("prompt", "").strip("'\"")
    if prompt and prompt not in GENERIC and prompt != ".":
        return prompt
    return name if name not in GENERIC else os.path.basename(above) or name


def pixi_project(prefix: str) -> str:
    """Return the project folder of a pixi environment; empty when unknown.

    A detached environment is outside of its project, and its conda-meta/pixi names the manifest.
    """
    with contextlib.suppress(ValueError):
        meta = json.loads(read(prefix + "/conda-meta/pixi"))
        manifest = meta.get("manifest_path") if isinstance(meta, dict) else None
        if isinstance(manifest, str) and os.path.isabs(manifest) and is_file(manifest):
            return os.path.dirname(manifest)
    above = os.path.dirname(os.path.dirname(prefix))
    return os.path.dirname(above) if os.path.basename(above) == ".pixi" else ""


def micromamba() -> str:
    """Return the path of micromamba; empty without it."""
    named = os.environ.get("MAMBA_EXE", "")
    if is_file(named):
        return named
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    places = [os.path.join(folder, "micromamba") for folder in folders if folder]
    for place in [*map(os.path.expanduser, MICROMAMBAS), *places, "/usr/local/bin/micromamba"]:
        if is_file(place):
            return place
    return ""


def env_vars(prefix: str) -> Dict[str, str]:
    """Return the variables that packages and `conda env config vars` set for an environment."""
    folder = prefix + "/etc/conda/env_vars.d"
    names: List[str] = []
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(folder))
    texts = [read("%s/%s" % (folder, name), 1 << 20) for name in names]
    found: Dict[str, str] = {}
    for place, text in enumerate([*texts, read(prefix + "/conda-meta/state", 1 << 20)]):
        with contextlib.suppress(ValueError):
            values = json.loads(text)
            values = values.get("env_vars") if place == len(texts) and isinstance(values, dict) else values
            if isinstance(values, dict):
                found.update((str(name), value) for name, value in values.items() if isinstance(value, str))
    found.pop("PATH", None)
    return {name: value for name, value in found.items() if value != UNSET and "\0" not in name + value}


def scripts(prefix: str, when: str = "activate", shell: str = "sh") -> List[str]:
    """Return the scripts of packages for `activate` or `deactivate`, in conda's order."""
    folder = "%s/etc/conda/%s.d" % (prefix, when)
    with contextlib.suppress(OSError):
        names = [name for name in os.listdir(folder) if name.endswith("." + shell)]
        return ["%s/%s" % (folder, name) for name in sorted(names, reverse=when == "deactivate")]
    return []


def without(path: str, folder: str) -> str:
    """Return PATH without a folder."""
    return os.pathsep.join(part for part in path.split(os.pathsep) if part.rstrip("/") != folder)


def level(environment: Dict[str, str]) -> int:
    """Return the number of stacked active conda environments."""
    with contextlib.suppress(ValueError):
        return max(0, int(environment.get("CONDA_SHLVL", "").strip() or 0))
    return 0


def replaced(path: str, old: str, new: str) -> str:
    """Return PATH with one folder replaced by another, which is put in front if the old one is missing."""
    parts = path.split(os.pathsep)
    place = next((number for number, part in enumerate(parts) if part.rstrip("/") == old), -1)
    if place >= 0:
        del parts[place]
    parts.insert(max(0, place), new)
    return os.pathsep.join(parts)


def conda_variables(prefix: str, kind: str, before: Dict[str, str], shell: str = "sh") -> Dict[str, str]:
    """Return the environment after `conda activate`, before the scripts of activate.d.

    `shell` is sh, csh or fish. See `_build_activate_stack` and `build_reactivate` of conda/activate.py.
    """
    after = dict(before)
    depth, old = level(before), before.get("CONDA_PREFIX", "")
    path, programs = before.get("PATH", os.defpath), prefix + "/bin"
    root = root_of(prefix) if kind == "conda" else ""
    read_settings = settings([root] if root else [])
    if depth:
        path = replaced(path, old + "/bin", programs) if old else programs + os.pathsep + path
    else:
        if root and not any(part.endswith("condabin") for part in path.split(os.pathsep)):
            path = root + "/condabin" + os.pathsep + path
        path = programs + os.pathsep + path
    after["PATH"] = path
    again = bool(depth) and old == prefix
    if not again:
        if depth and old:
            after["CONDA_PREFIX_%d" % depth] = old
        after.update(
            CONDA_PREFIX=prefix, CONDA_SHLVL=str(depth + 1), CONDA_DEFAULT_ENV=_shown_as(prefix, kind)
        )
        after.update(_own(prefix, root, depth, before, read_settings))
    name = after.get("CONDA_DEFAULT_ENV") or _shown_as(prefix, kind)
    after["CONDA_PROMPT_MODIFIER"] = _modifier(prefix, name, read_settings)
    tools = _tools(root)
    after.update(tools)
    for name in ("_CE_M", "_CE_CONDA") if "CONDA_EXE" in tools else ():
        after.pop(name, None)
        after.update({name: ""} if shell == "sh" else {})
    if kind == "pixi":
        after.update(_pixi_variables(prefix))
    return after


def _shown_as(prefix: str, kind: str) -> str:
    if kind == "pixi":
        return name_of(prefix, kind)
    if is_root(prefix):
        return "base"
    above, name = os.path.split(prefix)
    return name if os.path.basename(above) == "envs" else prefix


def _modifier(prefix: str, name: str, read_settings: List[str]) -> str:
    """Return conda's prefix of the prompt, by its settings changeps1 and env_prompt."""
    if condarc.word(read_settings, "changeps1", "true").lower() in condarc.FALSE:
        return ""
    form = condarc.word(read_settings, "env_prompt", "({default_env}) ")
    values = {"default_env": name, "stacked_env": name, "prefix": prefix, "name": os.path.basename(prefix)}
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found.group(1), found.group(0)), form)


def _own(
    prefix: str, root: str, depth: int, before: Dict[str, str], read_settings: List[str]
) -> Dict[str, str]:
    """Return an environment's own variables with the saved old values; conda uses upper-case names."""
    upper = condarc.word(read_settings, "envvars_force_uppercase", "true").lower() not in condarc.FALSE
    capitals = upper and bool(root) and os.path.lexists(root + "/bin/conda")
    own = env_vars(prefix)
    own.update({"__CONDA_SHLVL_%d_%s" % (depth, name): before[name] for name in own if name in before})
    return {name.upper() if capitals else name: value for name, value in own.items()}


def _tools(root: str) -> Dict[str, str]:
    """Return the variables that name the programs of an installation."""
    conda = root + "/bin/conda"
    if root and os.path.lexists(conda):
        found = {"CONDA_EXE": conda, "CONDA_PYTHON_EXE": root + "/bin/python"}
        return dict(found, _CONDA_EXE=conda, _CONDA_ROOT=root) if _version(root) >= EXPORTS_ROOT else found
    if not root:
        return {}
    program = micromamba()
    return dict({"MAMBA_EXE": program} if program else {}, MAMBA_ROOT_PREFIX=root)


def _version(root: str) -> int:
    """Return the major version of an installation's conda; 0 when unknown."""
    with contextlib.suppress(OSError):
        for name in os.listdir(root + "/conda-meta"):
            found = re.match(r"conda-(\d+)\.[\d.]+[^-]*-[^-]+\.json", name)
            if found:
                return int(found.group(1))
    return 0


def settings(roots: Iterable[str] = ()) -> List[str]:
    """Return the texts of conda's settings; see condarc.py."""
    return [read(path) for path in condarc.files(roots)]


def condarc_folders(roots: Iterable[str] = ()) -> List[str]:
    """Return the folders for environments that conda's and mamba's settings name, links resolved."""
    found = condarc.listed(settings(roots), "envs_dirs", "envs_path")
    full = [os.path.realpath(part) for part in found]
    return list(dict.fromkeys([*full, os.path.realpath(os.path.expanduser("~/.conda/envs"))]))


def _pixi_variables(prefix: str) -> Dict[str, str]:
    """Return the variables that `pixi shell-hook` sets besides conda's, as far as files show."""
    project = pixi_project(prefix)
    manifest = next(
        (project + name for name in ("/pixi.toml", "/pyproject.toml") if is_file(project + name)), ""
    )
    found = {
        "PIXI_PROJECT_ROOT": project,
        "PIXI_PROJECT_NAME": os.path.basename(project),
        "PIXI_ENVIRONMENT_NAME": os.path.basename(prefix),
        "PIXI_IN_SHELL": "1",
    }
    return dict(found, PIXI_PROJECT_MANIFEST=manifest) if manifest else found


def venv_variables(prefix: str, before: Dict[str, str]) -> Dict[str, str]:
    """Return the environment after `activate` of a venv."""
    after = dict(before)
    path = before.get("PATH", os.defpath)
    if before.get("VIRTUAL_ENV"):
        path = without(path, before["VIRTUAL_ENV"] + "/bin")
    after.pop("PYTHONHOME", None)
    after["PATH"] = prefix + "/bin" + os.pathsep + path
    after["VIRTUAL_ENV"] = prefix
    after["VIRTUAL_ENV_PROMPT"] = name_of(prefix, "venv")
    return after


def check(prefix: str, kind: str) -> None:
    """Raise ActivationError for an environment that cannot be used."""
    if not os.path.isabs(prefix) or "\0" in prefix or os.pathsep in prefix:
        raise ActivationError("%s is no folder that can stand in PATH" % shown(prefix))
    if not os.path.isdir(prefix):
        raise ActivationError("%s is not there any more" % shown(prefix))
    if not os.access(prefix, os.X_OK):
        raise ActivationError("%s cannot be used: its folder may not be read by this login" % shown(prefix))
    mark = "/conda-meta" if kind in ("conda", "pixi") else "/pyvenv.cfg"
    if not os.path.exists(prefix + mark):
        raise ActivationError("%s is no environment any more: %s is missing" % (shown(prefix), mark[1:]))
    for name in ("python", "python3"):
        if os.path.islink(prefix + "/bin/" + name) and not os.path.exists(prefix + "/bin/" + name):
            raise ActivationError(dangling(prefix, name))


def dangling(prefix: str, name: str) -> str:
    """Return in words the missing file to which the interpreter of an environment links."""
    with contextlib.suppress(OSError):
        place = prefix + "/bin/" + name
        for _ in range(8):
            goal = os.path.join(os.path.dirname(place), os.readlink(place))
            if not os.path.islink(goal):
                return "bin/%s leads to %s, which does not exist" % (name, shown(os.path.normpath(goal)))
            place = goal
    return "bin/%s leads nowhere" % name


def shown(text: str) -> str:
    """Return any text on one line; characters that are unsafe for a terminal become their codes."""
    text = text.encode("utf-8", "replace").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]


def key_of(prefix: str) -> str:
    """Return the name of the file with an environment's answer to a GPU check."""
    import hashlib

    return str(hashlib.sha256(prefix.encode("utf-8", "surrogateescape")).hexdigest()[:24]) + ".json"


def use_mark(prefix: str) -> str:
    """Return the file whose time is that of the last activation of an environment by us."""
    return "%s/%s" % (state.folder("envs"), key_of(prefix)[: -len(".json")] + ".used")


def mark_used(prefix: str) -> None:
    """Record that an environment is used now; a failure to write is ignored."""
    with contextlib.suppress(OSError):
        path = use_mark(prefix)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(path, "w"):
            os.utime(path, None)


def variables(prefix: str, kind: str, before: Dict[str, str], shell: str = "sh") -> Dict[str, str]:
    """Return the environment after an activation, before scripts; raises ActivationError."""
    check(prefix, kind)
    mark_used(prefix)
    if kind in ("conda", "pixi"):
        return conda_variables(prefix, kind, before, shell)
    return venv_variables(prefix, before)


def activate(prefix: str, kind: str = "conda", before: Optional[Dict[str, str]] = None) -> Dict[str, str]:
    """Return `before`, or this process's environment, with an environment active; raises ActivationError.

    Scripts of activate.d run in a bash of their own, and may print to stdout and stderr.
    """
    before = inherited.variables() if before is None else before
    after = variables(prefix, kind, before)
    if kind not in ("conda", "pixi"):
        return after
    old = before.get("CONDA_PREFIX", "") if level(before) else ""
    leaving = scripts(old, "deactivate") if old else []
    # Deactivation scripts run while the old environment is still active, as in conda.
    if leaving:
        left = run_scripts(leaving, before)
        after = variables(prefix, kind, left)
    activation = scripts(prefix)
    return run_scripts(activation, after) if activation else after


def run_scripts(paths: List[str], environment: Dict[str, str]) -> Dict[str, str]:
    """Source scripts in a shell and return its environment afterwards; raises ActivationError."""
    path = environment.get("PATH", os.defpath)
    cat, shell = which("cat", path), which("bash", path) or which("sh", path)
    if not cat or not shell:
        raise ActivationError("Its activate.d needs a shell, and neither bash nor sh is there")
    # No `set -e` or `set -u`: packages' scripts are not written for them. The last command is a new
    # process, because only that shows the exported variables without quoting.
    code = '__c=$1; shift; for __f in "$@"; do . "$__f"; done; exec "$__c" /proc/self/environ >&%d'
    given = {name: value for name, value in environment.items() if name not in ("BASH_ENV", "ENV")}
    handle, end = os.pipe()
    try:
        options = ["--noprofile", "--norc"] if shell.endswith("/bash") else []
        words = [shell, *options, "-c", code % end, "gpubox", cat, *paths]
        data, status = _collect(words, given, handle, end)
    finally:
        os.close(handle)
    if data is None:
        raise ActivationError("Its activate.d took longer than %d s" % SCRIPTS)
    if status != 0 or not data:
        raise ActivationError(
            "Its activate.d ended the shell with status %d: %s" % (status, shown(paths[-1]))
        )
    found: Dict[str, str] = {}
    for part in data.split(b"\0"):
        name, equals, value = part.partition(b"=")
        if equals:
            found[os.fsdecode(name)] = os.fsdecode(value)
    for name in SHELLS:
        found.pop(name, None)
        if name in environment:
            found[name] = environment[name]
    return found


def which(name: str, path: str) -> str:
    """Return the path of a program: in a PATH, or in the standard folders."""
    for folder in [*path.split(os.pathsep), "/bin", "/usr/bin"]:
        place = os.path.join(folder, name)
        if folder and os.access(place, os.X_OK) and is_file(place):
            return place
    return ""


def _collect(
    words: List[str], environment: Dict[str, str], handle: int, end: int
) -> Tuple[Optional[bytes], int]:
    """Run a command in a session of its own and return its output to `end`, and its exit status.

    The output is None when it took too long; then the command and its children are killed.
    """
    import select
    import signal

    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.set_inheritable(end, True)
            os.execve(words[0], words, environment)
        finally:
            os._exit(127)
    os.close(end)
    data = b""
    limit = time.monotonic() + SCRIPTS
    while True:
        ready, _, _ = select.select([handle], [], [], max(0.0, limit - time.monotonic()))
        if not ready:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None, -1
        block = os.read(handle, 1 << 16)
        data += block
        # A program that a script left running may hold the pipe open; so the end of the shell counts too.
        if not block:
            break
        if data.endswith(b"\0") and _ended(pid):
            while select.select([handle], [], [], 0)[0] and block:
                block = os.read(handle, 1 << 16)
                data += block
            break
    return data, _status(pid)


_STATUS: Dict[int, int] = {}


def _ended(pid: int) -> bool:
    """Return whether a child has ended within a moment."""
    for _ in range(100):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            _STATUS[pid] = status
            return True
        time.sleep(0.002)
    return False


def _status(pid: int) -> int:
    status = _STATUS.pop(pid, None)
    if status is None:
        status = os.waitpid(pid, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def changes(before: Dict[str, str], after: Dict[str, str]) -> Iterator[Tuple[str, Optional[str]]]:
    """Yield the variables to set, and those to unset with None, to turn one environment into another."""
    for name in sorted(before):
        if name not in after:
            yield name, None
    for name in sorted(after):
        if before.get(name) != after[name]:
            yield name, after[name]
