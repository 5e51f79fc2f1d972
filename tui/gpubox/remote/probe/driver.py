"""Finds NVIDIA's driver, its library and nvidia-smi, or why they cannot be used."""

from __future__ import annotations

import ctypes
import os
import re
import sys

from gpubox.common.sample_format import COMMAND_LIMIT, DRIVER_VERSION, given
from gpubox.remote.kernel_files import listing, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Dict

    Row = Dict[str, object]


HANG = 10.0
"""Seconds for a call of the driver; nvidia-smi on eight GPUs was seen to take 6."""
HANG_START = 30.0
"""The same for the first call, which wakes the GPUs."""
RETRY = 10.0
"""Seconds between two attempts to open a driver that failed."""
LIBRARY = "libnvidia-ml.so.1"
LIBRARY_FOLDERS = (
    "/usr/lib/wsl/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/run/opengl-driver/lib",
    "/usr/local/nvidia/lib64",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/nvidia",
    "/usr/lib64/nvidia",
    "/home/kubernetes/bin/nvidia/lib64",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
)
PCI_DEVICES = "/sys/bus/pci/devices"
DISPLAY, BRIDGE = "0x03", "0x0680"
"""How the PCI classes of cards for display and computing begin, and those of bridges, such as NVSwitches."""
SMI_PLACES = (
    "/usr/bin/nvidia-smi",
    "/usr/lib/wsl/lib/nvidia-smi",
    "/opt/bin/nvidia-smi",
    "/usr/local/nvidia/bin/nvidia-smi",
)


def kernel_version() -> str | None:
    """Return the version of the loaded kernel module, or None when none is loaded."""
    text = read_text(rooted("/proc/driver/nvidia/version")).split("\n")[0]
    found = DRIVER_VERSION.search(text.partition("Module")[2]) or DRIVER_VERSION.search(
        read_text(rooted("/sys/module/nvidia/version"))
    )
    return found.group(1) if found else None


def library_version(path: str) -> str | None:
    """Return the version in the name of the library's file, such as libnvidia-ml.so.550.54.14."""
    found = DRIVER_VERSION.search(os.path.basename(os.path.realpath(path)).partition(".so.")[2])
    return found.group(1) if found else None


def mapped_library() -> str:
    """Return the file of the NVML that this process has loaded, or nothing."""
    for line in read_text("/proc/self/maps", 1 << 20).splitlines():
        if "libnvidia-ml" in line:
            return line[line.index("/") :].replace(" (deleted)", "")
    return ""


def pci_devices(kind: str = DISPLAY) -> list[str]:
    """Return the PCI addresses of NVIDIA's devices of a class."""
    folder = rooted(PCI_DEVICES)
    return [
        name
        for name in listing(folder)
        if read_text("%s/%s/vendor" % (folder, name), 16) == "0x10de"
        and read_text("%s/%s/class" % (folder, name), 16).startswith(kind)
    ]


def device_nodes() -> list[str]:
    """Return the device nodes of the driver."""
    return [
        "/dev/" + name for name in listing(rooted("/dev")) if re.match(r"nvidia\d+$|nvhost-gpu$|dxg$", name)
    ]


def find_smi() -> str:
    """Return the path of nvidia-smi, or nothing."""
    places = [
        os.path.join(folder, "nvidia-smi")
        for folder in os.environ.get("PATH", "").split(os.pathsep)
        if folder
    ]
    for place in places + [rooted(place) for place in SMI_PLACES]:
        if os.access(place, os.X_OK) and os.path.isfile(place):
            return place
    return ""


def no_answer(tried: list[str], library: str, smi: str, detail: str, code: str = "") -> Row:
    """Return the fault of a box whose GPUs cannot be read, judged by the files on it."""
    here, devices, module = pci_devices(), device_nodes(), kernel_version()
    if not code:
        if not here and not devices and not module:
            code = "no-device"
        elif not module and not devices:
            code = "no-driver"
        else:
            code = "error" if library else "no-library"
    if code == "no-driver" and here:
        other = ", nouveau is loaded" if os.path.isdir(rooted("/sys/module/nouveau")) else ""
        detail = "%s (PCI %s%s)" % (detail or "No driver is loaded", ", ".join(here[:4]), other)
    looked = [PCI_DEVICES + " (vendor 0x10de)", "/dev/nvidia*", "/proc/driver/nvidia/version", *tried]
    return given(
        {
            "code": code,
            "detail": detail,
            "kernel_version": module,
            "library_version": library_version(library) if library else None,
            "looked": looked + (["nvidia-smi in PATH"] if not smi else [smi]),
        }
    )


def load_library(tried: list[str]) -> tuple[ctypes.CDLL | None, str, str]:
    """Return NVML's library, its path, and why none could be loaded; adds each attempt to `tried`.

    The file is loaded by its full path: a library that was replaced under a running probe has the same name,
    and the loader would return the old one again.
    """
    own = os.environ.get("GPUBOX_NVML_LIB", "")
    before = mapped_library()
    if own:
        places = [own]
    else:
        places = [os.path.join(rooted(folder), LIBRARY) for folder in LIBRARY_FOLDERS]
        if before:
            places.insert(0, os.path.join(os.path.dirname(before), LIBRARY))
        elif not os.environ.get("GPUBOX_ROOT"):
            places.insert(0, LIBRARY)
    detail = ""
    for place in places:
        tried.append(place)
        if "/" in place and not os.path.exists(place):
            continue
        try:
            library = ctypes.CDLL(os.path.realpath(place) if "/" in place else place)
        except OSError as error:
            if "/" in place or "No such file" not in str(error):
                detail = str(error)[:COMMAND_LIMIT]
            continue
        return library, os.path.realpath(place) if "/" in place else mapped_library(), ""
    return None, "", detail


def stand_in(path: str) -> ModuleType:
    """Load a module that replaces pynvml from a file."""
    module = type(sys)("pynvml")
    module.__file__ = path
    with open(path, encoding="utf-8") as file:
        source = file.read()
    sys.modules["pynvml"] = module  # dataclasses and pickle look up a class's module
    exec(compile(source, path, "exec"), module.__dict__)
    return module
