"""Facts of CUDA outside of environments: toolkits, the compiler, cuDNN, library paths."""

from __future__ import annotations

import glob
import json
import os
import re

from gpubox.remote import login
from gpubox.remote.checks import commands, login_user, parts
from gpubox.remote.kernel_files import listing, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Tuple

    Row = Dict[str, Any]

MOST = 24
"""Most toolkits, folders or copies that are named."""
MULTIARCH = ("x86_64-linux-gnu", "aarch64-linux-gnu")
HEADERS = ("cudnn_version.h", "cudnn.h", "cudnn_version_v9.h", "cudnn_version_v8.h", "cudnn_v7.h")
LIBRARIES = re.compile(r"lib(?:cudart|cudnn|cublas|cublasLt|cufft|cusparse|nccl|nvrtc|cuda)\.so")
"""Libraries that frameworks bring themselves, and the driver's own."""
MARK = "gpubox-variables"
_VERSION = re.compile(r"(\d{1,2})\.(\d{1,2})(?:\.(\d{1,3})(?!\d))?")


def gather() -> Row:
    """Return the facts."""
    found = parts.gathered({"login": login_variables, "toolkits": toolkits})
    kits: List[Row] = found.get("toolkits") or []
    variables: Dict[str, str] = found.get("login") or {}
    path = variables.get("PATH", os.environ.get("PATH", ""))
    libraries = variables.get("LD_LIBRARY_PATH", "" if variables else os.environ.get("LD_LIBRARY_PATH", ""))
    compiler = login.where("nvcc", path)
    return {
        "toolkits": kits,
        "nvcc": compiler,
        "nvcc_version": release(compiler) if compiler else "",
        "login_read": bool(variables),
        "cudnn": cudnn([row["path"] for row in kits if not row["package"]]),
        "library_path": library_path(libraries),
        "machine": os.uname().machine,
    }


def login_variables() -> Dict[str, str]:
    """Return PATH and LD_LIBRARY_PATH of a login shell of the user; nothing when it gives no answer.

    Most are set in files that only interactive shells read to the end, such as ~/.bashrc.
    """
    if login_user.uid() != os.getuid():
        return {}  # root's start files say nothing about the user's
    shell = login.login_shell()
    words = ["-c"] if "csh" in os.path.basename(shell) else ["-l", "-i", "-c"]
    argv = ["env", login.MARK + "=1", "TERM=dumb", shell, *words, "echo %s; env; echo %s" % (MARK, MARK)]
    done = commands.run(*argv, seconds=commands.LONG)  # start files with conda take 0.5 s
    parts = ("\n" + done.out).split("\n%s\n" % MARK) if done is not None else []
    if len(parts) != 3:
        return {}
    return dict(re.findall(r"^(PATH|LD_LIBRARY_PATH)=(.*)$", parts[1], re.M))


def toolkits() -> List[Row]:
    """Return the installed toolkits."""
    default = os.path.realpath(rooted("/usr/local/cuda"))
    places = [
        *sorted(glob.glob(rooted("/usr/local/cuda-[0-9]*"))),
        rooted("/usr/local/cuda"),
        rooted("/opt/cuda"),
        *(os.environ.get(name, "") for name in ("CUDA_HOME", "CUDA_PATH")),
    ]
    rows: Dict[str, Row] = {}
    for place in places:
        real = os.path.realpath(place) if place else ""
        if real in ("", "/", "/usr") or real in rows or not os.path.isdir(real):
            continue
        version = toolkit_version(real)
        compiler = os.path.isfile(real + "/bin/nvcc")
        if version or compiler:
            rows[real] = {
                "path": shown(place),
                "version": version,
                "default": real == default,
                "compiler": compiler,
                "package": False,
            }
    if os.path.isfile(rooted("/usr/bin/nvcc")) and os.path.isfile(rooted("/usr/include/cuda.h")):
        version = header_version(rooted("/usr/include/cuda.h"))
        rows["/usr"] = {"path": "/usr", "version": version, "compiler": True, "package": True}
    return list(rows.values())[:MOST]


def shown(path: str) -> str:
    """Return a path without GPUBOX_ROOT."""
    root = os.environ.get("GPUBOX_ROOT", "")
    return path[len(root) :][:200] if root and path.startswith(root) else path[:200]


def toolkit_version(folder: str) -> str:
    """Return the version of a toolkit, by the first of its files that says it."""
    try:
        known = json.loads(read_text(folder + "/version.json") or "{}")
        version = known.get("cuda", {}).get("version", "")
    except (ValueError, AttributeError):
        version = ""
    found = _VERSION.match(version) if isinstance(version, str) else None
    found = found or _VERSION.search(read_text(folder + "/version.txt", 4096))
    if found:
        return found.group(0)
    for header in ("/include/cuda.h", *("/targets/%s-linux/include/cuda.h" % m for m in ("x86_64", "sbsa"))):
        if os.path.isfile(folder + header):
            return header_version(folder + header)
    for library in sorted(glob.glob(folder + "/lib64/libcudart.so.*.*"), reverse=True):
        return library.partition(".so.")[2][:16]
    return ""


def header_version(path: str) -> str:
    """Return the version in cuda.h: 12040 is 12.4."""
    found = re.search(r"^#define\s+CUDA_VERSION\s+(\d{4,6})\b", read_text(path, 1 << 21), re.M)
    number = int(found.group(1)) if found else 0
    return "%d.%d" % (number // 1000, number % 1000 // 10) if number else ""


def release(compiler: str) -> str:
    """Return the version that nvcc prints."""
    found = re.findall(r"release (\d+\.\d+)", commands.output(compiler, "--version", seconds=commands.QUICK))
    return found[-1] if found else ""


def cudnn(folders: List[str]) -> List[Row]:
    """Return the copies of cuDNN in the system's folders and in those of toolkits."""
    roots = [rooted(folder) for folder in folders]
    targets = [path for root in roots for path in glob.glob(root + "/targets/*-linux")]
    includes = [rooted("/usr/include"), *(rooted("/usr/include/" + name) for name in MULTIARCH)]
    includes += [folder + "/include" for folder in (*roots, *targets)]
    libs = [rooted("/usr/lib/" + name) for name in MULTIARCH] + [rooted("/usr/lib64"), rooted("/usr/lib")]
    libs += [folder + "/lib64" for folder in roots] + [folder + "/lib" for folder in (*roots, *targets)]
    rows: Dict[Tuple[str, str], Row] = {}
    for folder in includes:
        for name in HEADERS:
            version = cudnn_header(folder + "/" + name)
            if version:
                path = os.path.realpath(folder + "/" + name)
                rows.setdefault(("header", path), {"path": shown(path), "version": version, "kind": "header"})
    for folder in libs:
        for path in glob.glob(folder + "/libcudnn.so.[0-9]*"):
            real = os.path.realpath(path)
            version = os.path.basename(real).partition(".so.")[2][:24]
            if os.path.isfile(real):
                rows.setdefault(
                    ("library", real), {"path": shown(real), "version": version, "kind": "library"}
                )
    return list(rows.values())[:MOST]


def cudnn_header(path: str) -> str:
    """Return the version that a header of cuDNN defines, or ""."""
    text = read_text(path, 1 << 20)
    numbers = [
        re.search(r"^#define\s+CUDNN_%s\s+(\d{1,4})\b" % name, text, re.M)
        for name in ("MAJOR", "MINOR", "PATCHLEVEL")
    ]
    return ".".join(number.group(1) for number in numbers if number) if numbers[0] else ""


def library_path(value: str) -> List[Row]:
    """Return the folders of a library path that have CUDA's libraries, and missing ones that name CUDA."""
    rows: List[Row] = []
    for folder in dict.fromkeys(part.rstrip("/") for part in value.split(os.pathsep)):
        if not folder.startswith("/"):
            continue
        names = sorted({name.partition(".")[0] for name in listing(rooted(folder)) if LIBRARIES.match(name)})
        exists = os.path.isdir(rooted(folder))
        if names or (not exists and re.search("cuda|cudnn|nvidia", folder, re.I)):
            rows.append({"path": folder[:200], "libraries": names, "exists": exists})
    return rows[:MOST]
