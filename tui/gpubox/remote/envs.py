"""Makes a software environment of this box active, as its own tool would, without running that tool.

Runs ON the box under Python 3.8 or newer with the standard library alone; the supervisor of jobs calls
`activate` in a child of its own, envshell.py asks for `changes`. `conda run` takes 2.5 s and hides how a
command ended; this takes 0.2 ms, and 4 ms where scripts of activate.d are run.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

    Row = Dict[str, Any]

SCRIPTS = 25.0
"""Seconds that the scripts of activate.d may take together: they may ask, or call the network."""
UNSET = "***unset***"
"""What conda writes for a variable that it shall leave alone."""
GENERIC = frozenset((".venv", "venv", ".env", "env", ".conda", "conda", "envs", ".virtualenv", "virtualenv"))
"""Names of folders that tell nothing: the project's folder is what people call these."""
SHELLS = frozenset(("_", "SHLVL", "PWD", "OLDPWD", "BASH_ENV", "ENV"))
"""Variables that the shell which runs the scripts sets for itself."""
UNREADABLE = "Its folder may not be read by this login"
CONDAS = ("bin/conda", "condabin/conda")
MICROMAMBAS = ("~/.local/bin/micromamba", "~/bin/micromamba", "~/micromamba/bin/micromamba")


class ActivationError(Exception):
    """An environment cannot be made active; its words say why."""


def read(path: str, limit: int = 65536) -> str:
    """Return a small text file, or nothing where it cannot be read; pipes are never waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return ""
    try:
        return os.read(handle, limit).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
    finally:
        os.close(handle)


def config(prefix: str) -> Dict[str, str]:
    """Return the lines of a venv's pyvenv.cfg, by lower-case name."""
    found: Dict[str, str] = {}
    for line in read(prefix + "/pyvenv.cfg", 8192).splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip().lower()] = value.strip()
    return found


def is_file(path: str) -> bool:
    """Say whether a file is there; false where it cannot be looked at."""
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False


def is_root(path: str) -> bool:
    """Say whether a folder is the root of an installation of conda or mamba."""
    return any(os.path.lexists(path + "/" + name) for name in (*CONDAS, "etc/profile.d/conda.sh"))


def maker(prefix: str) -> str:
    """Return the program that made a conda environment, as the first line of its own history tells."""
    found = re.search(
        r"^# cmd: (.+?/(?:conda|mamba|micromamba))(?: |$)", read(prefix + "/conda-meta/history", 4096), re.M
    )
    return found.group(1) if found else ""


def root_of(prefix: str) -> str:
    """Return the installation that a conda environment belongs to; empty when none is to be found."""
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
    """Return what people call an environment."""
    above, name = os.path.split(prefix)
    if kind == "conda":
        if is_root(prefix):
            return "base"
        return name if name not in GENERIC else os.path.basename(above) or name
    if kind == "pixi":
        project = os.path.basename(os.path.dirname(os.path.dirname(above)))
        return project if name == "default" else "%s:%s" % (project, name)
    prompt = config(prefix).get("prompt", "").strip("'\"")
    if prompt and prompt not in GENERIC and prompt != ".":
        return prompt
    return name if name not in GENERIC else os.path.basename(above) or name


def micromamba() -> str:
    """Return where micromamba is; empty where it is not."""
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
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    texts = [read("%s/%s" % (folder, name), 1 << 20) for name in names]
    found: Dict[str, str] = {}
    for place, text in enumerate([*texts, read(prefix + "/conda-meta/state", 1 << 20)]):
        with contextlib.suppress(ValueError):
            told = json.loads(text)
            told = told.get("env_vars") if place == len(texts) and isinstance(told, dict) else told
            if isinstance(told, dict):
                found.update((str(name), value) for name, value in told.items() if isinstance(value, str))
    return {name: value for name, value in found.items() if value != UNSET and "\0" not in name + value}


def scripts(prefix: str, when: str = "activate") -> List[str]:
    """Return the scripts that packages want to be read at `activate` or `deactivate`, in their order."""
    folder = "%s/etc/conda/%s.d" % (prefix, when)
    with contextlib.suppress(OSError):
        return sorted("%s/%s" % (folder, name) for name in os.listdir(folder) if name.endswith(".sh"))
    return []


def without(path: str, folder: str) -> str:
    """Return PATH without a folder."""
    return os.pathsep.join(part for part in path.split(os.pathsep) if part.rstrip("/") != folder)


def level(environment: Dict[str, str]) -> int:
    """Return how many conda environments are active one above the other."""
    with contextlib.suppress(ValueError):
        return max(0, int(environment.get("CONDA_SHLVL", "").strip() or 0))
    return 0


def conda_variables(prefix: str, kind: str, before: Dict[str, str]) -> Dict[str, str]:
    """Return the environment as `conda activate` leaves it, before the scripts of activate.d."""
    after = dict(before)
    depth, old = level(before), before.get("CONDA_PREFIX", "")
    path = before.get("PATH", os.defpath)
    root = root_of(prefix) if kind == "conda" else ""
    if depth and old:
        for name in env_vars(old):
            saved = after.pop("__CONDA_SHLVL_%d_%s" % (depth - 1, name), None)
            after.pop(name, None)
            if saved is not None:
                after[name] = saved
        path = without(path, old + "/bin")
        if old != prefix:
            after["CONDA_PREFIX_%d" % depth] = old
    elif root and not any(part.endswith("condabin") for part in path.split(os.pathsep)):
        path = root + "/condabin" + os.pathsep + path
    name = name_of(prefix, kind)
    in_folder = kind == "pixi" or is_root(prefix) or os.path.basename(os.path.dirname(prefix)) == "envs"
    after["PATH"] = prefix + "/bin" + os.pathsep + path
    after["CONDA_PREFIX"] = prefix
    if not (depth and old == prefix):
        after["CONDA_SHLVL"] = str(depth + 1)
    after["CONDA_DEFAULT_ENV"] = name if in_folder or _in_envs_dirs(prefix) else prefix
    after["CONDA_PROMPT_MODIFIER"] = "(%s) " % after["CONDA_DEFAULT_ENV"]
    conda = root + "/bin/conda"
    if root and os.path.lexists(conda):
        after["CONDA_EXE"] = conda
        after["CONDA_PYTHON_EXE"] = root + "/bin/python"
        after["_CE_M"] = after["_CE_CONDA"] = ""
    elif root:
        after["MAMBA_ROOT_PREFIX"] = root
        program = micromamba()
        if program:
            after["MAMBA_EXE"] = program
    for name, value in env_vars(prefix).items():
        if name in before and before[name] != value and not (depth and old == prefix):
            after["__CONDA_SHLVL_%d_%s" % (depth, name)] = before[name]
        after[name] = value
    if kind == "pixi":
        after.update(_pixi_variables(prefix))
    return after


def _in_envs_dirs(prefix: str) -> bool:
    """Say whether conda knows an environment by its name: it lies in a folder that the settings name."""
    return os.path.dirname(prefix) in condarc_folders()


def condarc_folders() -> List[str]:
    """Return the folders for environments that conda's and mamba's settings name, links resolved."""
    home = os.path.expanduser("~")
    places = [os.environ.get("CONDARC", ""), "/etc/conda/.condarc", "/etc/conda/condarc"]
    places += [
        "%s/%s" % (home, name) for name in (".condarc", ".mambarc", ".conda/.condarc", ".conda/condarc")
    ]
    places += ["%s/%s" % (home, name) for name in (".config/conda/.condarc", ".config/conda/condarc")]
    found: List[str] = []
    for name in ("CONDA_ENVS_DIRS", "CONDA_ENVS_PATH"):
        found += os.environ.get(name, "").split(os.pathsep)
    for place in places:
        found += yaml_list(read(place), "envs_dirs|envs_path") if place else []
    full = [os.path.realpath(os.path.expandvars(os.path.expanduser(part))) for part in found if part]
    return list(dict.fromkeys([*full, os.path.realpath(home + "/.conda/envs")]))


def yaml_list(text: str, names: str) -> List[str]:
    """Return a list of words in YAML, written in either way; just enough of YAML for conda's settings."""
    found: List[str] = []
    inside = False
    for line in text.splitlines():
        head = re.match(r"(?:%s)\s*:(.*)" % names, line)
        item = re.match(r"\s*-\s+(.*)", line)
        if head:
            inside = True
            found += [_unquoted(part) for part in head.group(1).split(" #")[0].strip().strip("[]").split(",")]
        elif inside and item:
            found.append(_unquoted(item.group(1)))
        elif line.strip() and not line.lstrip().startswith("#"):
            inside = False
    return [part for part in found if part]


def _unquoted(text: str) -> str:
    text = text.strip()
    if text[:1] in ("'", '"'):
        end = text.find(text[0], 1)
        return text[1:end] if end > 0 else text[1:]
    return text.split(" #")[0].strip()


def _pixi_variables(prefix: str) -> Dict[str, str]:
    """Return what `pixi shell-hook` sets besides conda's variables, as far as files tell."""
    project = os.path.dirname(os.path.dirname(os.path.dirname(prefix)))
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
    """Return the environment as `activate` of a venv leaves it."""
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
    """Raise ActivationError in words for an environment that cannot be used."""
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
    """Say where the interpreter of an environment leads to that is not there."""
    with contextlib.suppress(OSError):
        place = prefix + "/bin/" + name
        for _ in range(8):
            goal = os.path.join(os.path.dirname(place), os.readlink(place))
            if not os.path.islink(goal):
                return "bin/%s leads to %s, which does not exist" % (name, shown(os.path.normpath(goal)))
            place = goal
    return "bin/%s leads nowhere" % name


def shown(text: str) -> str:
    """Return text of any kind as words on one line; what no terminal shall see is written as its code."""
    text = text.encode("utf-8", "replace").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]


def state_folder() -> str:
    """Return where answers about environments are kept on this box; see records.py for jobs."""
    state = os.environ.get("GPUBOX_STATE_DIR", "")
    if not state:
        state = os.environ.get("XDG_STATE_HOME", "")
        state = (state if state.startswith("/") else os.path.expanduser("~/.local/state")) + "/gpubox"
    return "%s/%s/envs" % (os.path.abspath(state), box_key())


def box_key() -> str:
    """Return what tells this box from others that share its homes."""
    machine = read("/etc/machine-id", 64).strip()[:12]
    if re.fullmatch(r"[0-9a-f]{12}", machine):
        return machine
    return re.sub(r"[^A-Za-z0-9_.-]", "_", os.uname().nodename)


def key_of(prefix: str) -> str:
    """Return the name of the file that holds what an environment answered."""
    import hashlib

    return str(hashlib.sha256(prefix.encode("utf-8", "surrogateescape")).hexdigest()[:24]) + ".json"


def use_mark(prefix: str) -> str:
    """Return the file whose time tells when an environment was last made active by us."""
    return "%s/%s" % (state_folder(), key_of(prefix)[: -len(".json")] + ".used")


def mark_used(prefix: str) -> None:
    """Note that an environment is used now; where that cannot be written nobody is told."""
    with contextlib.suppress(OSError):
        path = use_mark(prefix)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(path, "w"):
            os.utime(path, None)


def variables(prefix: str, kind: str, before: Dict[str, str]) -> Dict[str, str]:
    """Return the environment that an activation leads to, before scripts; raises ActivationError."""
    check(prefix, kind)
    mark_used(prefix)
    if kind in ("conda", "pixi"):
        return conda_variables(prefix, kind, before)
    return venv_variables(prefix, before)


def activate(prefix: str, kind: str = "conda") -> Dict[str, str]:
    """Return this process's environment with one active; raises ActivationError with words.

    Scripts of activate.d are run by a bash of their own, and may print to stdout and stderr as they like.
    """
    before = dict(os.environ)
    after = variables(prefix, kind, before)
    if kind not in ("conda", "pixi"):
        return after
    old = before.get("CONDA_PREFIX", "") if level(before) else ""
    leaving = scripts(old, "deactivate") if old else []
    # They are left while the old environment is still the active one, as conda does it.
    if leaving:
        left = run_scripts(leaving, before)
        after = variables(prefix, kind, left)
    coming = scripts(prefix)
    return run_scripts(coming, after) if coming else after


def run_scripts(paths: List[str], environment: Dict[str, str]) -> Dict[str, str]:
    """Read scripts into a shell and return the environment that it then has; raises ActivationError."""
    path = environment.get("PATH", os.defpath)
    cat, shell = which("cat", path), which("bash", path) or which("sh", path)
    if not cat or not shell:
        raise ActivationError("Its activate.d needs a shell, and neither bash nor sh is there")
    # Not `set -e`, not `set -u`: packages' scripts are not written for them. The last word is a new process,
    # because only that shows what a shell exports without any quoting.
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
    """Return where a program is: in a PATH, or where every system has it."""
    for folder in [*path.split(os.pathsep), "/bin", "/usr/bin"]:
        place = os.path.join(folder, name)
        if folder and os.access(place, os.X_OK) and is_file(place):
            return place
    return ""


def _collect(
    words: List[str], environment: Dict[str, str], handle: int, end: int
) -> Tuple[Optional[bytes], int]:
    """Run a command in a session of its own and return what it writes to `end`, and its exit status.

    None stands for one that took too long; then it and all that it started is ended.
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
        # A program that a script left running may hold the pipe open; the end of the shell tells as well.
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
    """Say whether a child has ended within a moment."""
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
    """Yield what is to be set, and with None what is to be unset, to come from one environment to another."""
    for name in sorted(before):
        if name not in after:
            yield name, None
    for name in sorted(after):
        if before.get(name) != after[name]:
            yield name, after[name]
