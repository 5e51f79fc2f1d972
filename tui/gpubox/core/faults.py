"""Why the GPUs of a box cannot be read, in plain words and with the next step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gpubox.core.errors import GpuBoxError
from gpubox.core.sample import Fault, Sample

_FEW = 2
"""Folders of one library that are named; more are counted."""

_WORDS: dict[str, tuple[str, str, str]] = {
    "no-device": (
        "No NVIDIA GPU here",
        "Neither the PCI bus nor the driver shows one",
        "If there should be one: check its power cables and seat, or what the virtual machine passes through",
    ),
    "no-driver": (
        "No NVIDIA driver is loaded",
        "The kernel module nvidia does not run",
        "Try `sudo modprobe nvidia`; after a new kernel the driver has to be built for it: reinstall it",
    ),
    "permission": (
        "The GPUs may not be read by this user",
        "The driver refused access",
        "Look at `ls -l /dev/nvidia*`: the user may have to join the group that owns them (often video)",
    ),
    "no-library": (
        "NVIDIA's management library is missing",
        "A driver is there, but neither libnvidia-ml.so.1 nor nvidia-smi was found",
        "Install the package of your driver's version that brings nvidia-smi, such as nvidia-utils-550; "
        "in a container start it with the `utility` driver capability",
    ),
    "hang": (
        "The driver does not answer",
        "A question to it never came back; the host is still read",
        "Look for `NVRM: Xid` in `sudo dmesg`; a hung driver mostly needs a reboot",
    ),
    "error": (
        "The GPUs cannot be read",
        "The driver gave an error",
        "Look for `NVRM` in `sudo dmesg`; it is tried again every ten seconds",
    ),
}


def without_gpus(sample: Sample) -> bool:
    """Tell whether a box has neither GPUs nor a driver for any, which is no fault."""
    return (
        bool(sample.faults)
        and not sample.gpus
        and sample.driver.version is None
        and all(fault.code == "no-device" for fault in sample.faults)
    )


def explain(fault: Fault) -> GpuBoxError:
    """Return a fault as title, text and hint; a code unknown to this version is described by its detail."""
    if fault.code == "mismatch":
        return _mismatch(fault)
    title, text, hint = _WORDS.get(fault.code, ("The GPUs cannot be read", f"Fault `{fault.code}`", ""))
    if fault.detail:
        text = f"{text}: {fault.detail}"
    if fault.looked and fault.code in ("no-device", "no-driver", "no-library"):
        text = f"{text.rstrip('.')}. Looked at {', '.join(_places(fault.looked))}"
    return GpuBoxError(title, text, hint)


def _places(looked: Sequence[str]) -> list[str]:
    """Return what was tried, with the many folders of one library summed up."""
    names = Counter(place.rpartition("/")[2] for place in looked)
    out: dict[str, None] = {}
    for place in looked:
        name = place.rpartition("/")[2]
        out[f"{name} in {names[name]} places" if names[name] > _FEW else place] = None
    return list(out)


def _mismatch(fault: Fault) -> GpuBoxError:
    kernel = fault.kernel_version or "of another version"
    library = fault.library_version or "of another version"
    if fault.kernel_version or fault.library_version:
        text = f"The loaded kernel module is {kernel}, the library on disk is {library}"
    else:
        text = "The loaded kernel module and the library on disk are of different versions"
    return GpuBoxError(
        "Driver and library do not match",
        f"{text}: an update exchanged the files under the running driver",
        "Reboot, or stop what uses the GPUs and reload the module (`sudo rmmod nvidia_uvm nvidia_drm "
        "nvidia_modeset nvidia && sudo modprobe nvidia`). Running jobs go on until then; new ones fail",
    )
