"""Finds the software environments of this box by reading files; runs and writes nothing.

`conda env list` takes 0.7 s, is not on the PATH of a login without a terminal, and rewrites conda's own list.
Start files of shells are read as text, never run. metadata.py describes each environment.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from functools import partial

from gpubox.remote.envs import activate, metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

    Row = Dict[str, Any]
    Task = Tuple[str, Callable[[], object]]

RC_FILES = (
    *(".bashrc", ".bash_profile", ".bash_login", ".profile", ".bash_aliases"),
    *(".zshrc", ".zshenv", ".zprofile", ".zlogin", ".config/zsh/.zshrc"),
    *(".config/fish/config.fish", ".tcshrc", ".cshrc", ".login", ".xonshrc", ".config/xonsh/rc.xsh"),
)
SYSTEM_RC = ("/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/environment", "/etc/zsh/zshrc")
NAMES = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "miniconda", "anaconda", "miniforge", "conda")
HOME_ROOTS = (
    *NAMES,
    *("." + name for name in NAMES),
    *(above + name for above in ("opt/", ".local/") for name in NAMES[:3]),
    *("micromamba", ".micromamba", "mamba", ".mamba", ".local/share/mamba"),
)
SYSTEM_ROOTS = tuple(
    "%s/%s" % (above, name) for above in ("/opt", "/usr/local", "/usr/share") for name in NAMES
)
VENV_FOLDERS = (
    ".virtualenvs",
    ".cache/pypoetry/virtualenvs",
    ".local/share/virtualenvs",
    ".venvs",
    ".pyenv/versions",
)
LIKELY = re.compile(r"\.?(?:v|virtual)?env(?:s|\d*)?|\.?(?:v|virtual)env[-_.].*|.*[-_.]v?env|\.pixi|\.?conda")
"""Names of folders in a project that are probably environments."""
MODULE_SYSTEMS = (
    ("Lmod", "LMOD_VERSION", "LMOD_PKG", "/usr/share/lmod/lmod /opt/apps/lmod/lmod"),
    (
        *("Environment Modules", "MODULES_VERSION", "MODULESHOME"),
        "/usr/share/modules/init /usr/share/Modules/init /usr/lib/environment-modules/init",
    ),
)
"""Name, variables of its version and of its folder, and where it usually is."""
SKIPPED = frozenset(
    (
        *("node_modules", "__pycache__", "site-packages", "snap", "proc", "sys", "dev", "pkgs", "conda-meta"),
        *("lib", "lib64", "bin", "include", "share", "etc", "src"),
    )
)
DEPTH = 2
"""Depth below a home at which projects are searched; environments are inside them."""
FOLDERS = 3000
"""Most folders of projects that are read."""
BATCH = 50
"""Folders that are read between two checks of the clock."""
WALK = 1.5
"""Seconds for the search in projects."""
EACH = 2.0
"""Seconds for one place: a dead network disk never answers."""
ALL = 15.0
"""Seconds for a whole scan; a home on a network disk takes 2, a remote one ten times as long."""

_ROOT = (
    r"""(?P<root>(?:/|~|\$HOME|\$\{HOME\})%s)"""
    r"""/(?:condabin|bin|etc/profile\.d)/(?:conda|mamba|conda\.c?sh|mamba\.sh)\b"""
)
_HINTS = (
    re.compile("['\"]" + _ROOT % r"[^'\"\n]*?"),
    re.compile(r"(?:^|[\s(=`;])" + _ROOT % r"[^'\"\s;:()]*?", re.M),
    re.compile(r"""MAMBA_ROOT_PREFIX['"]?\s*[= ]\s*['"](?P<root>(?:/|~|\$HOME|\$\{HOME\})[^'"\n]*)['"]"""),
    re.compile(r"""MAMBA_ROOT_PREFIX['"]?\s*[= ]\s*(?P<root>(?:/|~|\$HOME|\$\{HOME\})[^'"\s;]*)"""),
    re.compile(r"""[\s'":=(](?P<root>(?:/|~|\$HOME|\$\{HOME\})[^'":\s)]*)/bin\b"""),
)
_EXE = re.compile(r"""MAMBA_EXE['"]?\s*[= ]\s*['"]?(?P<exe>/[^'"\n;]*micromamba)""")


def full(path: str) -> str:
    """Return the real path, links resolved; empty for an invalid one."""
    path = os.path.expandvars(os.path.expanduser(path.replace("${HOME}", "$HOME")))
    if not os.path.isabs(path) or "\0" in path:
        return ""
    with contextlib.suppress(OSError, ValueError):
        return os.path.realpath(path)
    return ""


class Patience:
    """Runs tasks that may hang, with a time limit for each and for all together."""

    def __init__(self) -> None:
        self.late: List[str] = []
        """The tasks that did not finish in time."""
        self._end = time.monotonic() + ALL

    def do(self, tasks: List[Task]) -> None:
        """Run tasks one after the other, each in a limited time; a task that takes longer is abandoned.

        A thread that waits for a dead disk cannot be stopped; it ends with the program.
        """
        import _thread as thread

        rest = list(tasks)
        while rest:
            done = thread.allocate_lock()
            done.acquire()
            progress: List[float] = [time.monotonic()]
            mine, rest = rest, []
            thread.start_new_thread(self._work, (mine, progress, done))
            while True:
                started, place = progress[-1], len(progress) - 1
                left = min(started + EACH, self._end) - time.monotonic()
                if done.acquire(True, max(0.001, left)):
                    return
                if progress[-1] == started and time.monotonic() >= min(started + EACH, self._end):
                    break
            progress.append(-1.0)  # tells the thread that it was abandoned
            self.late.append(mine[min(place, len(mine) - 1)][0])
            rest = mine[place + 1 :]
            if rest and time.monotonic() >= self._end:
                self.late += [name for name, _ in rest]
                return

    @staticmethod
    def _work(tasks: List[Task], progress: List[float], done: Any) -> None:
        for _, task in tasks:
            with contextlib.suppress(OSError, ValueError, RecursionError):
                task()
            if min(progress) < 0:
                return
            progress.append(time.monotonic())
        done.release()


class Look:
    """One scan of the box: the results so far, and the places that did not answer in time."""

    def __init__(self, folders: Iterable[str] = ()) -> None:
        self.home = os.path.expanduser("~")
        self.folders = list(folders)
        """Folders of projects from the settings."""
        self.roots: Dict[str, str] = {}
        """Flavor of each installation, by its folder."""
        self.hints: List[str] = []
        """Possible installations, from start files and variables."""
        self.noted: List[str] = []
        """Environments in conda's own list."""
        self.named: List[str] = []
        """Folders for environments from conda's settings."""
        self.found: Dict[str, str] = {}
        """Kind of each environment, by its folder."""
        self.rows: List[Row] = []
        self.tools: List[Row] = []
        """Programs that create environments: installations of conda, uv and pixi."""
        self.patience = Patience()
        self.late = self.patience.late
        """Places that did not answer, in words."""
        self.micromamba = ""
        self.modules = self.cuda = ""

    def report(self) -> Row:
        """Scan, and return the fields of core.env.Envs."""
        self.patience.do(
            [("the start files of the shells", self._hints), ("conda's own lists", self._listed)]
        )
        self._each(self.hints, self._take_root)
        self._each(self.noted, self._take_noted)
        self._each(self._usual(), self._take_root)
        self._children([root + "/envs" for root in self.roots], self._take_conda)
        self.patience.do([("the folders in conda's settings", self._settings)])
        self._children(self.named, self._take_conda)
        self._children(_tool_folders(self.home), self._take_tool_folder)
        tops: List[str] = []
        for place in (self.home, *self.folders):
            self.patience.do([(place, lambda place=place: tops.append(full(place)))])
        for top in dict.fromkeys(filter(None, tops)):
            self._projects(top)
        self._each(sorted(self.roots), self._root)
        self.patience.do(
            [("the PATH", self._others), ("modules", self._named_by_files), ("the driver", self._driver)]
        )
        self._each(sorted(self.found), self._describe)
        return {
            "v": 1,
            "envs": self._rows(),
            "roots": list(self.tools),
            "modules": self.modules,
            "cuda": self.cuda,
            "partial": self._partial(),
        }

    def _each(self, paths: Iterable[str], act: Callable[[str], object]) -> None:
        """Run an action for each path, so that one on a dead disk does not affect the others."""
        self.patience.do([(path, partial(act, path)) for path in paths])

    def _children(self, folders: Iterable[str], take: Callable[[str], object]) -> None:
        """Run an action for the contents of folders."""
        inside: List[str] = []
        self._each(folders, partial(self._entries, inside))
        self._each(list(inside), take)

    def _entries(self, inside: List[str], folder: str) -> None:
        """Add the entries of a folder that are not hidden."""
        try:
            inside += ["%s/%s" % (folder, name) for name in os.listdir(folder) if not name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self.late.append("%s (%s)" % (folder, error.strerror))

    def _rows(self) -> List[Row]:
        """Return a row for each environment; abandoned threads may still add some."""
        rows = {row["prefix"]: row for row in list(self.rows)}
        for prefix, kind in list(self.found.items()):
            words = "Its disk does not answer"
            late = {"prefix": prefix, "name": os.path.basename(prefix), "kind": kind, "broken": words}
            rows.setdefault(prefix, late)
        return sorted(
            rows.values(), key=lambda row: (row["kind"] != "conda", not row.get("base"), row["name"])
        )

    def _partial(self) -> str:
        """Return in words the places that were not scanned."""
        if not self.late:
            return ""
        places = ", ".join(activate.shown(place) for place in self.late[:3])
        return "Not all was searched in time: %s%s" % (places, " and more" if len(self.late) > 3 else "")

    def _hints(self) -> None:
        """Collect possible roots from the start files of all shells, which are read, never run."""
        names = ["%s/%s" % (self.home, name) for name in RC_FILES]
        if os.environ.get("ZDOTDIR"):
            names.append(os.environ["ZDOTDIR"] + "/.zshrc")
        for name in [*names, *SYSTEM_RC]:
            text = activate.read(name, 1 << 20)
            if not re.search("conda|mamba|forge", text, re.I):
                continue
            for hint in _HINTS:
                for match in hint.finditer(text):
                    if match.groupdict().get("root"):
                        self.hints.append(match.group("root"))
            exe = _EXE.search(text)
            if exe and activate.is_file(exe.group("exe")):
                self.micromamba = exe.group("exe")
        for name in ("MAMBA_ROOT_PREFIX", "CONDA_ROOT", "CONDA_PREFIX", "_CONDA_ROOT"):
            self.hints.append(os.environ.get(name, ""))
        self.hints.append(os.path.dirname(os.path.dirname(os.environ.get("CONDA_EXE", ""))))

    def _listed(self) -> None:
        """Collect the environments of conda's own list."""
        lines = activate.read(self.home + "/.conda/environments.txt", 1 << 20).splitlines()
        self.noted = [line for line in lines if line.strip()]

    def _take_noted(self, line: str) -> None:
        """Add an environment of conda's list; a missing one is ignored, as in conda."""
        prefix = full(line)
        if not prefix or not os.path.isdir(prefix):
            return
        above, last = os.path.split(os.path.dirname(prefix))
        self._take_root(above if last == "envs" else prefix)
        self._take_root(os.path.dirname(os.path.dirname(activate.maker(prefix))))
        if metadata.looks_like_conda(prefix):
            self.found.setdefault(prefix, "conda")

    def _usual(self) -> List[str]:
        """Return the usual places of installations."""
        return [*("%s/%s" % (self.home, name) for name in HOME_ROOTS), *SYSTEM_ROOTS]

    def _settings(self) -> None:
        self.micromamba = self.micromamba or activate.micromamba()
        self.named = [
            path
            for path in activate.condarc_folders(sorted(self.roots))
            if os.path.dirname(path) not in self.roots
        ]

    def _take_root(self, path: str) -> None:
        path = full(path) if path else ""
        if not path or path in self.roots or path in ("/", self.home, "/usr", "/usr/local"):
            return
        if activate.is_root(path):
            self.roots[path] = metadata.flavor(path)
            if os.path.exists(path + "/conda-meta"):
                self.found[path] = "conda"
        elif os.path.isdir(path + "/envs") and not os.path.exists(path + "/conda-meta/history"):
            named = metadata.flavor(path)
            self.roots[path] = named if named != "conda" else "micromamba"

    def _root(self, path: str) -> None:
        tool = self._tool(path)
        self.tools.append({"path": path, "flavor": self.roots[path], "tool": tool, "envs": path + "/envs"})

    def _others(self) -> None:
        for kind in ("uv", "pixi"):
            program = metadata.tool("", kind, {})
            if program:
                self.tools.append({"path": os.path.dirname(program), "flavor": kind, "tool": program})

    def _tool(self, root: str) -> str:
        for name in ("bin/conda", "condabin/conda", "bin/mamba", "bin/micromamba"):
            if activate.is_file(root + "/" + name):
                return root + "/" + name
        return self.micromamba

    def _take_conda(self, path: str) -> None:
        """Add a folder of named environments."""
        if os.path.isdir(path) and metadata.looks_like_conda(path):
            self.found.setdefault(os.path.realpath(path), "conda")

    def _take_tool_folder(self, path: str) -> None:
        """Add a folder of virtual environments."""
        if not self._take_venv(path) and os.path.isdir(path) and not os.access(path, os.X_OK):
            self.found.setdefault(os.path.realpath(path), "venv")

    def _take_venv(self, path: str) -> bool:
        """Add a folder if it is a virtual environment; return whether it is."""
        cfg = path + "/pyvenv.cfg"
        if not activate.is_file(cfg):
            return False
        real = os.path.realpath(path)
        self.found.setdefault(real, "uv" if "uv" in activate.config(real) else "venv")
        return True

    def _projects(self, top: str) -> None:
        """Search the projects below a folder for environments, within DEPTH and WALK."""
        end, late, count = time.monotonic() + WALK, len(self.late), 0
        level = [top]
        for _ in range(DEPTH + 1):
            below: List[str] = []
            for folders in _batches(level):
                count += BATCH
                inside: List[Tuple[str, str]] = []
                self.patience.do([(path, partial(self._list, path, inside)) for path in folders])
                for batch in [*_batches(list(inside)), []]:
                    # A folder that did not answer in time does not use up the time of the others.
                    if count > FOLDERS or time.monotonic() > end + EACH * (len(self.late) - late):
                        self.late.append("projects below %s" % top)
                        return
                    self.patience.do(
                        [(path, partial(self._project, name, path, below)) for name, path in batch]
                    )
            level = list(below)

    def _list(self, path: str, inside: List[Tuple[str, str]]) -> None:
        """Add the subfolders of a folder; each is a task of its own, since it may be on another disk."""
        if path not in self.roots and path not in self.found:
            inside += _inside(path)

    def _project(self, name: str, path: str, below: List[str]) -> None:
        """Add a folder if it is an environment, and to `below` if it may contain more."""
        if not (self._take(path, name) or name in SKIPPED or name.startswith(".")):
            below.append(path)

    def _take(self, path: str, name: str) -> bool:
        """Add a folder if it is an environment; return whether to skip its contents."""
        if name == ".pixi":
            for child in _folders(path + "/envs"):
                if os.path.exists(child + "/conda-meta"):
                    self.found.setdefault(os.path.realpath(child), "pixi")
            return True
        if self._take_venv(path):
            return True
        if LIKELY.fullmatch(name) and os.path.exists(path + "/conda-meta/history"):
            self.found.setdefault(os.path.realpath(path), "conda")
            return True
        return path in self.roots

    def _describe(self, prefix: str) -> None:
        row = metadata.describe(prefix, self.found[prefix])
        if row["kind"] == "conda":
            root = row["root"] or next(iter(self.roots), "")
            row["root"] = root
            row["tool"] = self._tool(root)
        self.rows.append(row)

    def _named_by_files(self) -> None:
        self.modules = modules()

    def _driver(self) -> None:
        self.cuda = metadata.driver_cuda(metadata.driver())


def modules() -> str:
    """Return the name of the module system, judged by its files; empty without one."""
    for name, version, folder, usual in MODULE_SYSTEMS:
        if any(map(os.path.isdir, [os.environ.get(folder, ""), *usual.split()])):
            return ("%s %s" % (name, os.environ.get(version, ""))).strip()
    return ""


def _tool_folders(home: str) -> List[str]:
    """Return the folders in which tools store their virtual environments."""
    data = os.environ.get("XDG_DATA_HOME") or home + "/.local/share"
    return [
        *("%s/%s" % (home, name) for name in VENV_FOLDERS),
        *filter(None, [os.environ.get("WORKON_HOME", "")]),
        data + "/uv/tools",
        data + "/pipx/venvs",
        home + "/.local/pipx/venvs",
    ]


def _inside(path: str) -> Iterator[Tuple[str, str]]:
    """Yield the subfolders; links are followed only if their name looks like an environment."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    likely = LIKELY.fullmatch(entry.name)
                    if entry.is_dir(follow_symlinks=bool(likely)):
                        yield entry.name, entry.path
    except OSError:
        return


def _batches(items: List[Any]) -> Iterator[List[Any]]:
    return (items[begin : begin + BATCH] for begin in range(0, len(items), BATCH))


def _folders(path: str) -> List[str]:
    """Return the subfolders, links followed; none when it cannot be read."""
    try:
        with os.scandir(path) as entries:
            return [entry.path for entry in entries if entry.is_dir()]
    except OSError:
        return []


def scan(folders: Iterable[str] = ()) -> Row:
    """Return all environments, with the fields of core.env.Envs; takes at most 15 s."""
    sys.setswitchinterval(0.001)
    return Look(folders).report()
