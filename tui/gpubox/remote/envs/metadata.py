"""Describes an environment by its metadata: Python, packages, builds for GPUs, and faults.

Nothing of the environment is run or imported: importing TensorFlow takes 3 s, reading its metadata 0.2 ms.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re

from gpubox.remote import state
from gpubox.remote.envs import activate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set, Tuple

    Row = Dict[str, Any]
    Conda = Dict[str, Tuple[str, str]]

DRIVERS = (
    (610, "13.3"), (595, "13.2"), (590, "13.1"),
    (580, "13.0"), (575, "12.9"), (570, "12.8"), (565, "12.7"), (560, "12.6"), (555, "12.5"), (550, "12.4"),
    (545, "12.3"), (535, "12.2"), (530, "12.1"), (525, "12.0"), (520, "11.8"), (515, "11.7"), (510, "11.6"),
    (495, "11.5"), (470, "11.4"), (465, "11.3"), (460, "11.2"), (455, "11.1"), (450, "11.0"), (440, "10.2"),
    (418, "10.1"), (410, "10.0"), (396, "9.2"), (390, "9.1"), (384, "9.0"),
)  # fmt: skip
"""The first driver for each CUDA, from NVIDIA's release notes."""
NEWEST_DRIVER = 615
"""From this driver on, the CUDA version is unknown here."""
SYSTEM_LIBRARIES = (
    "/usr/local/cuda/lib64",
    "/usr/local/cuda/targets/x86_64-linux/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
)
FLAVORS = ("miniforge", "mambaforge", "miniconda", "anaconda", "micromamba", "mamba")
NORMAL = re.compile(r"[-_.]+")


def normal(name: str) -> str:
    """Return a package's name as PyPI normalizes it."""
    return NORMAL.sub("-", name).lower()


def looks_like_conda(path: str) -> bool:
    """Return whether a folder among environments is one, even a broken one; mere leftovers are not.

    A folder that this login may not enter counts as one, and is shown as broken.
    """
    inside = os.path.exists(path + "/conda-meta") or os.path.lexists(path + "/bin/python")
    return inside or not os.access(path, os.X_OK)


def flavor(root: str) -> str:
    """Return the distribution of an installation, judged by names and files."""
    name = os.path.basename(root).lower()
    for word in FLAVORS[:2]:
        if word in name:
            return "miniforge"
    names = " ".join(conda_files(root))
    if re.search(r"(?:^| )anaconda-\d{4}", names):
        return "anaconda"
    if "conda-forge" in activate.read(root + "/.condarc"):
        return "miniforge"
    for word in FLAVORS[2:]:
        if word in name:
            return word
    return "conda"


def conda_files(prefix: str) -> List[str]:
    """Return the names of a conda environment's packages: `numpy-1.26.4-py311_0`."""
    with contextlib.suppress(OSError):
        return [name[:-5] for name in os.listdir(prefix + "/conda-meta") if name.endswith(".json")]
    return []


def conda_packages(prefix: str) -> Conda:
    """Return version and build of each conda package, by name."""
    found: Conda = {}
    for name in conda_files(prefix):
        parts = name.rsplit("-", 2)
        if len(parts) == 3:
            found[parts[0]] = (parts[1], parts[2])
    return found


def site_packages(prefix: str, version: str = "") -> str:
    """Return the folder of an environment's Python packages; empty when it has none."""
    short = ".".join(version.split(".")[:2])
    for place in ("python" + short, "pypy" + short):
        if short and os.path.isdir("%s/lib/%s/site-packages" % (prefix, place)):
            return "%s/lib/%s/site-packages" % (prefix, place)
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(prefix + "/lib"), reverse=True):
            if name.startswith(("python", "pypy")) and os.path.isdir(
                "%s/lib/%s/site-packages" % (prefix, name)
            ):
                return "%s/lib/%s/site-packages" % (prefix, name)
    return ""


def distributions(site: str) -> Dict[str, Tuple[str, str]]:
    """Return version and metadata folder of each Python package, by normal name."""
    found: Dict[str, Tuple[str, str]] = {}
    names: List[str] = []
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(site)) if site else []
    for name in names:
        stem, dot, end = name.rpartition(".")
        if end in ("dist-info", "egg-info") and dot:
            parts = stem.split("-")
            found[normal(parts[0])] = (parts[1] if len(parts) > 1 else "", "%s/%s" % (site, name))
    return found


def describe(prefix: str, kind: str) -> Row:
    """Return one environment, with the fields of core.env.Env."""
    row: Row = {"prefix": prefix, "name": activate.name_of(prefix, kind), "kind": kind, "tool": ""}
    if kind in ("conda", "pixi"):
        row["root"] = activate.root_of(prefix) if kind == "conda" else activate.pixi_project(prefix)
        row["base"] = kind == "conda" and activate.is_root(prefix)
    else:
        row["root"] = os.path.dirname(prefix)
    try:
        prefix.encode("utf-8")
    except UnicodeEncodeError:
        return dict(row, broken="Its path is not UTF-8: it cannot be named over the link")
    broken = _broken(prefix, kind)
    if broken:
        row["broken"] = broken
    conda = conda_packages(prefix) if kind in ("conda", "pixi") else {}
    cfg = activate.config(prefix) if not conda else {}
    row["python"] = _python(conda, cfg, prefix)
    site = site_packages(prefix, row["python"])
    found = distributions(site)
    row["packages"] = len(conda) + sum(
        1 for name in found if name not in conda and not _by_conda(conda, found[name][1])
    )
    row["builds"] = builds(prefix, site, conda, found)
    used = _used(prefix, site)
    if used:
        row["used"] = used
    row["tool"] = tool(prefix, kind, cfg)
    sight = sight_of(prefix, conda, found)
    if sight:
        row["sight"] = sight
    return row


def _by_conda(conda: Conda, info: str) -> bool:
    return bool(conda) and activate.read(info + "/INSTALLER", 64).strip() == "conda"


def tool(prefix: str, kind: str, cfg: Dict[str, str]) -> str:
    """Return the program that changes an environment other than conda's."""
    path = os.environ.get("PATH", os.defpath)
    home = os.path.expanduser("~")
    if kind in ("uv", "pixi"):
        more = [home + "/.local/bin", home + "/.cargo/bin", home + "/.pixi/bin", "/usr/local/bin"]
        return activate.which(kind, os.pathsep.join([path, *more]))
    return prefix + "/bin/python" if kind == "venv" and cfg else ""


def _python(conda: Conda, cfg: Dict[str, str], prefix: str) -> str:
    if "python" in conda:
        return conda["python"][0]
    if "pypy" in conda:
        return conda["pypy"][0]
    words = (cfg.get("version_info") or cfg.get("version") or "").split(".")
    if words[0].isdecimal():
        return ".".join(words[:3])
    site = re.search(r"/lib/(?:python|pypy)(\d[\d.]*)", site_packages(prefix)) if cfg else None
    return site.group(1) if site else ""


def _broken(prefix: str, kind: str) -> str:
    """Return why an environment cannot be used, in words; empty when it seems usable."""
    if not os.access(prefix, os.R_OK | os.X_OK):
        return activate.UNREADABLE
    for name in ("python", "python3"):
        if os.path.islink(prefix + "/bin/" + name) and not os.path.exists(prefix + "/bin/" + name):
            return activate.dangling(prefix, name)
    if kind in ("conda", "pixi"):
        if not os.access(prefix + "/conda-meta", os.R_OK | os.X_OK):
            if os.path.exists(prefix + "/conda-meta"):
                return "Its conda-meta may not be read by this login"
            return "Its conda-meta is missing: leftovers of one that was removed"
        if not os.path.exists(prefix + "/conda-meta/history"):
            return "conda-meta/history is missing: conda does not take it for an environment"
        has_python = any(re.match(r"python-\d", name) for name in conda_files(prefix))
        if has_python and not os.path.exists(prefix + "/bin/python"):
            return "Its Python is listed, but bin/python is missing"
        return ""
    if not os.path.lexists(prefix + "/bin/python"):
        return "bin/python is missing"
    home = activate.config(prefix).get("home", "")
    if home and not os.path.isdir(home):
        return "The Python that it was made from is gone: %s" % activate.shown(home)
    return ""


def _used(prefix: str, site: str) -> float:
    """Return when it was last activated by us or changed, judged by times of folders.

    Access times are ignored: this scan and every backup would count as use.
    """
    times = [0.0]
    places = [
        activate.use_mark(prefix),
        prefix + "/conda-meta/history",
        prefix + "/conda-meta",
        prefix + "/bin",
        site,
        site + "/__pycache__",
    ]
    for place in [*places, os.path.dirname(site) + "/__pycache__"] if site else places[:4]:
        with contextlib.suppress(OSError):
            times.append(os.stat(place).st_mtime)
    return max(times)


def builds(prefix: str, site: str, conda: Conda, found: Dict[str, Tuple[str, str]]) -> List[Row]:
    """Return the builds of the frameworks of an environment."""
    rows = [
        _torch(site, conda, found),
        _tensorflow(prefix, site, conda, found),
        _jax(prefix, site, conda, found),
    ]
    return [row for row in rows if row]


def _torch(site: str, conda: Conda, found: Dict[str, Tuple[str, str]]) -> Optional[Row]:
    text = activate.read(site + "/torch/version.py") if site else ""
    package, dist = conda.get("pytorch") or conda.get("libtorch"), found.get("torch")
    if not text and not package and not dist:
        return None
    version = _value(text, "__version__") or (dist[0] if dist else "") or (package[0] if package else "")
    cuda, hip = _value(text, "cuda"), _value(text, "hip")
    row: Row = {"framework": "torch", "version": version}
    if cuda or hip:
        row.update(target="cuda" if cuda else "rocm", cuda=cuda, why="torch/version.py")
    elif re.search(r"^cuda\b[^\n]*=\s*None", text, re.M):
        row.update(target="cpu", why="torch/version.py")
    elif package:
        row.update(_by_build("pytorch", package[1]))
    elif "+cpu" in version:
        row.update(target="cpu", why="its version")
    elif "+cu" in version:
        row.update(target="cuda", cuda=_dotted(version.partition("+cu")[2]), why="its version")
    if row.get("target") == "cuda" and dist and not package:
        row["missing"] = _wheels(dist[1], found)
    return row


def _value(text: str, name: str) -> str:
    found = re.search(r"""^%s\s*(?::[^=\n]*)?=\s*['"]([^'"\n]+)['"]""" % name, text, re.M)
    return found.group(1) if found else ""


def _by_build(package: str, build: str) -> Row:
    """Judge by conda's build string: `cuda126_py311h0`, `gpu_py39h0`, `py3.11_cuda12.1_0`."""
    why = "the build %s of %s" % (build, package)
    exact = re.search(r"cuda_?(\d+)\.(\d+)", build)
    short = re.search(r"cuda_?(\d\d)(\d{1,2})(?!\d)", build)
    if exact or short:
        match = exact or short
        return {"target": "cuda", "cuda": "%s.%s" % match.groups(), "why": why}  # type: ignore[union-attr]
    if re.search(r"cuda|gpu", build):
        return {"target": "cuda", "why": why}
    if "rocm" in build:
        return {"target": "rocm", "why": why}
    if re.search(r"cpu|mkl|eigen|openblas", build):
        return {"target": "cpu", "why": why}
    return {"why": why}


def _dotted(digits: str) -> str:
    match = re.match(r"(\d\d)(\d)", digits)
    return "%s.%s" % match.groups() if match else ""


def _wheels(info: str, found: Dict[str, Tuple[str, str]]) -> str:
    """Return in words which wheels of CUDA libraries a package requires that are not installed."""
    lacking: List[str] = []
    machine = os.uname().machine
    for line in activate.read(info + "/METADATA", 1 << 20).partition("\n\n")[0].splitlines():
        match = re.match(r"Requires-Dist:\s*(nvidia[\w.-]+)(.*)", line)
        if not match or "extra ==" in line:
            continue
        if ("platform_machine ==" in line and machine not in line) or "win32" in line:
            continue
        if normal(match.group(1)) not in found:
            lacking.append(normal(match.group(1)))
    return _listing(lacking)


def _listing(names: List[str]) -> str:
    unique = list(dict.fromkeys(names))
    if not unique:
        return ""
    more = " and %d more" % (len(unique) - 2) if len(unique) > 2 else ""
    return "%s%s missing" % (", ".join(unique[:2]), more)


def _tensorflow(prefix: str, site: str, conda: Conda, found: Dict[str, Tuple[str, str]]) -> Optional[Row]:
    package = conda.get("tensorflow-base") or conda.get("tensorflow")
    names = [
        name
        for name in ("tensorflow", "tensorflow-gpu", "tensorflow-cpu", "tensorflow-rocm")
        if name in found
    ]
    if not names and not package:
        return None
    row: Row = {
        "framework": "tensorflow",
        "version": found[names[0]][0] if names else package[0] if package else "",
    }
    text = activate.read(site + "/tensorflow/python/platform/build_info.py") if site else ""
    built = {
        name: _built(text, name)
        for name in ("is_cuda_build", "is_rocm_build", "cuda_version", "cudnn_version")
    }
    if built["is_cuda_build"]:
        why = "tensorflow/python/platform/build_info.py"
        if built["is_cuda_build"] == "True":
            row.update(target="cuda", cuda=built["cuda_version"], why=why)
        else:
            row.update(target="rocm" if built["is_rocm_build"] == "True" else "cpu", why=why)
    elif package:
        row.update(_by_build("tensorflow", package[1]))
    elif "tensorflow-cpu" in names:
        row.update(target="cpu", why="its name")
    if row.get("target") == "cuda" and built["is_cuda_build"] and not package:
        row["missing"] = _libraries(prefix, site, ("libcudart", "libcudnn"))
    return row


def _built(text: str, name: str) -> str:
    match = re.search(r"""['"]%s['"]\s*[:,]\s*['"]?([\w.]+)""" % name, text)
    return match.group(1) if match else ""


def _libraries(prefix: str, site: str, names: Tuple[str, ...]) -> str:
    """Return in words which libraries are neither in the environment nor in the system's folders."""
    folders = [prefix + "/lib", *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep), *SYSTEM_LIBRARIES]
    with contextlib.suppress(OSError):
        folders += ["%s/nvidia/%s/lib" % (site, name) for name in os.listdir(site + "/nvidia")]
    lacking: Set[str] = set(names)
    for folder in folders:
        if not lacking:
            break
        there: List[str] = []
        with contextlib.suppress(OSError):
            there = os.listdir(folder) if folder else []
        lacking -= {name for name in lacking if any(file.startswith(name + ".so") for file in there)}
    return _listing(sorted(lacking))


def _jax(prefix: str, site: str, conda: Conda, found: Dict[str, Tuple[str, str]]) -> Optional[Row]:
    package, dist = conda.get("jaxlib"), found.get("jaxlib")
    if not package and not dist:
        return None
    shown = found.get("jax") or conda.get("jax") or dist or package
    row: Row = {"framework": "jax", "version": shown[0] if shown else ""}
    plugins = sorted(name for name in found if re.fullmatch(r"jax-(?:cuda|rocm)\d+-(?:plugin|pjrt)", name))
    local = dist[0].partition("+")[2] if dist else ""
    if plugins:
        target = "cuda" if "cuda" in plugins[0] else "rocm"
        version = re.findall(r"\d+", plugins[0])[0]
        row.update(target=target, cuda=version if target == "cuda" else "", why=", ".join(plugins))
        if target == "cuda" and not package:
            row["missing"] = _libraries(prefix, site, ("libcudart", "libcudnn"))
    elif "cuda" in local:
        row.update(target="cuda", cuda=re.sub(r"\D.*", "", local.partition("cuda")[2]), why="its version")
    elif package:
        row.update(_by_build("jaxlib", package[1]))
    else:
        row.update(target="cpu", why="no plugin for CUDA")
    return row


def driver() -> str:
    """Return the version of NVIDIA's driver from its kernel module; empty without one."""
    match = re.search(
        r"Kernel Module\D*?(?:for \w+\s+)?(\d+\.[\d.]+)", activate.read("/proc/driver/nvidia/version", 4096)
    )
    return match.group(1) if match else ""


def driver_cuda(version: str) -> str:
    """Return the highest CUDA that a driver supports; empty when unknown."""
    branch = version.partition(".")[0]
    if not branch.isdecimal() or int(branch) >= NEWEST_DRIVER:
        return ""
    return next((cuda for first, cuda in DRIVERS if int(branch) >= first), "")


def stamp(conda: Conda, found: Dict[str, Tuple[str, str]]) -> str:
    """Return a digest that changes with every package of an environment; gpu_check.py computes the same.

    File times would change with the first import that writes a .pyc.
    """
    names = ["%s-%s-%s" % (name, version, build) for name, (version, build) in conda.items()]
    names += [os.path.basename(info) for _, info in found.values()]
    return hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def sight_of(prefix: str, conda: Conda, found: Dict[str, Tuple[str, str]]) -> Optional[Row]:
    """Return the stored answer of a GPU check of an environment, or None without one."""
    text = activate.read("%s/%s" % (state.folder("envs"), activate.key_of(prefix)), 1 << 16)
    try:
        cached = json.loads(text) if text else None
        if not isinstance(cached, dict) or cached.get("prefix") != prefix:
            return None
        sees = cached.get("sees")
        return {
            "at": float(cached["at"]),
            "job": str(cached.get("job", "")),
            "sees": sees if isinstance(sees, bool) else None,
            "devices": [str(name)[:100] for name in cached.get("devices") or ()][:64],
            "words": str(cached.get("words", ""))[:300],
            "current": cached.get("stamp") == stamp(conda, found) and cached.get("driver", "") == driver(),
        }
    except (ValueError, KeyError, TypeError):
        return None


def packages(prefix: str) -> List[Row]:
    """Return the packages of an environment, with the fields of core.env.Package."""
    rows: Dict[str, Row] = {}
    conda = conda_packages(prefix)
    for name, (version, build) in conda.items():
        text = activate.read("%s/conda-meta/%s-%s-%s.json" % (prefix, name, version, build), 4 << 20)
        found = re.search(r'"channel":\s*"([^"]*)"', text)
        rows[name] = {
            "name": name,
            "version": version,
            "build": build,
            "source": _channel(found.group(1) if found else ""),
        }
    version = conda["python"][0] if "python" in conda else ""
    for name, (number, info) in distributions(site_packages(prefix, version)).items():
        if activate.read(info + "/INSTALLER", 64).strip() == "conda" and conda:
            continue
        key = name if name not in rows else name + " (pypi)"
        rows[key] = {"name": name, "version": number, "source": "pypi"}
    return [rows[name] for name in sorted(rows)]


def _channel(url: str) -> str:
    """Return the short name of a channel: the part of its URL before the platform."""
    parts = [part for part in url.split("?")[0].split("/") if part]
    if parts and re.fullmatch(r"noarch|(?:linux|osx|win)-\w+", parts[-1]):
        parts.pop()
    return parts[-1] if parts else ""


def size(prefix: str) -> int:
    """Return the bytes on disk below a folder as du counts them: hard links count once."""
    seen: Set[Tuple[int, int]] = set()
    total = 0
    waiting = [prefix]
    while waiting:
        path = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    about = entry.stat(follow_symlinks=False)
                    if about.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        if (about.st_dev, about.st_ino) in seen:
                            continue
                        seen.add((about.st_dev, about.st_ino))
                    total += about.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
    with contextlib.suppress(OSError):
        total += os.stat(prefix).st_blocks * 512
    return total
