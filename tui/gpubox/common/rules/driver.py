"""The rules about the driver: why there are no GPU readings, or fewer than there should be.

The record is a fault of the sample, and `gpuless`: whether the box has no GPUs and no driver for any.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Sequence

from gpubox.common.metrics import field
from gpubox.common.rules.rule import Condition, Reading, Rule
from gpubox.common.severity import Severity

DRIVER = "driver"
"""Subject of these rules."""
NO_GPU = "driver-no-gpu"
"""Code of the finding on a box that has no GPUs: nothing is wrong with it."""
_FEW = 2
"""Folders of one library that are named; more are counted."""
_LOOKED = 12
"""Most places named after a fault whose text does not count them."""


class _Words(NamedTuple):
    title: str
    text: str
    hint: str


_SAID = "{said}"
"""Replaced by the driver's own words after a colon, if there are any."""
_PLACES = "{looked_at}"
"""Replaced by the same, and by the searched places."""

_WORDS: dict[str, _Words] = {
    "no-device": _Words(
        "No NVIDIA GPU here",
        "Neither the PCI bus nor the driver shows one" + _PLACES,
        "If there should be one: check its power cables and seat, or what the virtual machine passes through",
    ),
    "no-driver": _Words(
        "No NVIDIA driver is loaded",
        "The kernel module nvidia does not run" + _PLACES,
        "Try `sudo modprobe nvidia`; after a new kernel the driver has to be built for it: reinstall it",
    ),
    "mismatch": _Words(
        "Driver and library do not match",
        "{versions}: an update exchanged the files under the running driver",
        "Reboot, or stop what uses the GPUs and reload the module (`sudo rmmod nvidia_uvm nvidia_drm "
        "nvidia_modeset nvidia && sudo modprobe nvidia`). Running jobs go on until then; new ones fail",
    ),
    "permission": _Words(
        "The GPUs may not be read by this user",
        "The driver refused access" + _SAID,
        "Look at `ls -l /dev/nvidia*`: the user may have to join the group that owns them (often video)",
    ),
    "no-library": _Words(
        "NVIDIA's management library is missing",
        "A driver is there, but neither libnvidia-ml.so.1 nor nvidia-smi was found" + _PLACES,
        "Install the package of your driver's version that brings nvidia-smi, such as nvidia-utils-550; "
        "in a container start it with the `utility` driver capability",
    ),
    "hang": _Words(
        "The driver does not answer",
        "A question to it never came back; the host is still read" + _SAID,
        "Look for `NVRM: Xid` in `sudo dmesg`; a hung driver mostly needs a reboot",
    ),
    "error": _Words(
        "The GPUs cannot be read",
        "The driver gave an error" + _SAID,
        "Look for `NVRM` in `sudo dmesg`; it is tried again every ten seconds",
    ),
}


def _is(code: str) -> Condition:
    def same(value: str, fault: Reading) -> bool:
        return value == code and not fault["gpuless"]

    return same


def _gpuless(_: object, fault: Reading) -> bool:
    return bool(fault["gpuless"])


def _unknown(code: str, _: Reading) -> bool:
    return code not in _WORDS


DRIVER_RULES = (
    Rule(
        NO_GPU, DRIVER, "code", _gpuless, Severity.INFO,
        *_WORDS["no-device"],
    ),
    *(
        Rule(f"driver-{code}", DRIVER, "code", _is(code), Severity.CRITICAL, *words)
        for code, words in _WORDS.items()
    ),
    Rule(
        "driver-unknown", DRIVER, "code", _unknown, Severity.CRITICAL,
        "The GPUs cannot be read", "Fault `{code}`" + _SAID,
    ),
)  # fmt: skip
"""Rows about a fault of the driver."""


def without_gpus(sample: object) -> bool:
    """Return whether a box has neither GPUs nor a driver for any, which is no fault."""
    faults: Sequence[object] = field(sample, "faults") or ()
    return (
        bool(faults)
        and not field(sample, "gpus")
        and field(field(sample, "driver"), "version") is None
        and all(field(fault, "code") == "no-device" for fault in faults)
    )


def fault_record(fault: object, *, gpuless: bool = False) -> dict[str, object]:
    """Return a fault as the record that the rules read."""
    detail = field(fault, "detail") or ""
    looked: Sequence[str] = field(fault, "looked") or ()
    said = f": {detail}" if detail else ""
    return {
        "code": field(fault, "code") or "",
        "gpuless": gpuless,
        "said": said,
        "looked_at": f"{said.rstrip('.')}. Looked at {', '.join(_places(looked))}" if looked else said,
        "versions": _versions(field(fault, "kernel_version"), field(fault, "library_version")),
    }


def looked_for(fault: object, finding_text: str) -> list[str]:
    """Return the searched places, unless the text of the finding names them."""
    looked: Sequence[str] = field(fault, "looked") or ()
    return [] if "Looked at" in finding_text else list(looked[:_LOOKED])


def _places(looked: Sequence[str]) -> list[str]:
    """Return the tried places, with the folders of one library summed up."""
    names = Counter(place.rpartition("/")[2] for place in looked)
    out: dict[str, None] = {}
    for place in looked:
        name = place.rpartition("/")[2]
        out[f"{name} in {names[name]} places" if names[name] > _FEW else place] = None
    return list(out)


def _versions(kernel: object, library: object) -> str:
    if not kernel and not library:
        return "The loaded kernel module and the library on disk are of different versions"
    other = "of another version"
    return f"The loaded kernel module is {kernel or other}, the library on disk is {library or other}"
