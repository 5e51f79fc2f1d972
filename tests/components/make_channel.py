"""Makes a conda channel of this very Python and two stubs of tensorflow, and environments from it.

Runs by the Python of tests/.parts, with py-rattler: `make_channel.py CHANNEL ENVS`. It leaves by os._exit,
because py-rattler has crashed in the interpreter's end after all work was done.
"""

# pyright: basic

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import site
import sys
import sysconfig
import tarfile
from pathlib import Path

from rattler import Channel, install, solve  # pyright: ignore[reportMissingImports]
from rattler.index import index_fs  # pyright: ignore[reportMissingImports]

SHORT = ".".join(map(str, sys.version_info[:2]))
SKIPPED = {
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "site-packages", "__pycache__"),
    *("ensurepip", "pydoc_data", "distutils"),
}
STUB = """
import os
__version__ = "2.15.0"
class config:
    @staticmethod
    def list_physical_devices(kind=None):
        if {cpu} or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
            return []
        return ["GPU:0"]
"""
ACTIVATE = b"""\
export TF_FLAVOR=gpu
export TF_BEFORE="${TF_HOME-unset}"
export TF_HOME="$CONDA_PREFIX/share/tf"
export TF_MANY="two
lines"
"""
DEBIAN = b"""\
import site, sys
site.addsitedir(f"{sys.prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
"""
DEACTIVATE = b'unset TF_FLAVOR TF_MANY\nexport TF_HOME="$TF_BEFORE"\n'


def package(channel: Path, name: str, version: str, build: str, files: dict, *, noarch: bool = True) -> None:
    """Pack files, by path in the environment: bytes, a file of this machine, or the goal of a link."""
    place = {"noarch": "python"} if noarch else {"arch": "x86_64", "platform": "linux"}
    subdir = "noarch" if noarch else "linux-64"
    about = {"name": name, "version": version, "build": build, "build_number": 0, "subdir": subdir, **place}
    about["depends"] = ["python"] if noarch else []
    paths = []
    out = channel / subdir / f"{name}-{version}-{build}.tar.bz2"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(out, "w:bz2", compresslevel=1) as archive:

        def add(path: str, data: bytes) -> None:
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            entry.mode = 0o755 if path.startswith("bin/") or ".so" in path else 0o644
            archive.addfile(entry, io.BytesIO(data))

        for path, content in sorted(files.items()):
            if isinstance(content, str):
                link = tarfile.TarInfo(path)
                link.type, link.linkname = tarfile.SYMTYPE, content
                archive.addfile(link)
                empty = {"sha256": hashlib.sha256(b"").hexdigest(), "size_in_bytes": 0}  # mamba wants them
                paths.append({"_path": path, "path_type": "softlink", **empty})
                continue
            data = content.read_bytes() if isinstance(content, Path) else content
            add(path, data)
            digest = hashlib.sha256(data).hexdigest()
            paths.append(
                {"_path": path, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(data)}
            )
        add("info/index.json", json.dumps(about).encode())
        add("info/paths.json", json.dumps({"paths": paths, "paths_version": 1}).encode())
        add("info/files", ("\n".join(sorted(files)) + "\n").encode())
        add("info/about.json", b"{}")
        if noarch:
            link_info = {"noarch": {"type": "python", "entry_points": []}, "package_metadata_version": 1}
            add("info/link.json", json.dumps(link_info).encode())


def this_python() -> dict:
    """Return the files of this Python without what nobody imports here."""
    base, library = Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))
    files: dict = {f"bin/python{SHORT}": (base / f"bin/python{SHORT}").resolve()}
    files["bin/python"] = files["bin/python3"] = f"python{SHORT}"
    for shared in (base / "lib").glob("libpython*.so*"):
        files[f"lib/{shared.name}"] = os.readlink(shared) if shared.is_symlink() else shared
    for path in library.rglob("*"):
        inside = path.relative_to(library)
        expected = not (set(inside.parts) & SKIPPED or inside.parts[0].startswith("config-"))
        if path.is_file() and expected and path.suffix not in (".pyc", ".a"):
            files[f"lib/python{SHORT}/{inside}"] = path
    files[f"lib/python{SHORT}/site-packages/README.txt"] = b"\n"
    if any("dist-packages" in path for path in site.getsitepackages([sys.base_prefix])):
        files[f"lib/python{SHORT}/sitecustomize.py"] = DEBIAN  # Debian's has no eye for site-packages
    return files


def tensorflow(cpu: bool) -> dict:
    """Return the files of a stub."""
    info = "site-packages/tensorflow-2.15.0.dist-info"
    files = {
        "site-packages/tensorflow/__init__.py": STUB.format(cpu=cpu).encode(),
        f"{info}/INSTALLER": b"conda\n",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tensorflow\nVersion: 2.15.0\n",
        f"{info}/RECORD": b"",
    }
    if not cpu:
        files["etc/conda/activate.d/tf.sh"] = ACTIVATE
        files["etc/conda/deactivate.d/tf.sh"] = DEACTIVATE
    return files


async def main(channel: Path, envs: Path) -> None:
    """Make the channel and the environments."""
    version = ".".join(map(str, sys.version_info[:3]))
    package(channel, "python", version, "0_cpython", this_python(), noarch=False)
    package(channel, "tensorflow", "2.15.0", "gpu_cuda122_0", tensorflow(cpu=False))
    package(channel, "tensorflow", "2.15.0", "cpu_0", tensorflow(cpu=True))
    await index_fs(channel)
    for name, build in (("tf-gpu", "gpu*"), ("tf-cpu", "cpu*")):
        specs = ["python", f"tensorflow * {build}"]
        source = Channel(channel.as_uri())
        records = await solve([source], specs, platforms=["linux-64", "noarch"])
        await install(
            records, target_prefix=str(envs / name), cache_dir=str(channel / "cache"), show_progress=False
        )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
    sys.stdout.flush()
    os._exit(0)
