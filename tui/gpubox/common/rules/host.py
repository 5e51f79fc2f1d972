"""The rules about the machine around the GPUs and its disks."""

from __future__ import annotations

from gpubox.common.metrics import DISK, HOST
from gpubox.common.rules.rule import Reading, Rule, reaches, some
from gpubox.common.severity import Severity

PATIENCE = 2.0
"""Seconds without an answer after which a disk counts as hung: a sleeping network disk may take a while."""


def _hangs(value: float, _: Reading) -> bool:
    return value > PATIENCE


def _refuses(value: str, disk: Reading) -> bool:
    return bool(value) and disk["hangs"] is None


_HEAT = "the hottest sensor of the processor shows {temperature}"
_MEMORY = "{memory} of the machine's memory is in use"
_NO_SIZE = "{device} ({filesystem}) gives no size"

HOST_RULES = (
    Rule(
        "host-memory-full", HOST, "memory", reaches("host_memory", Severity.CRITICAL), Severity.CRITICAL,
        "memory full", _MEMORY,
    ),
    Rule(
        "host-memory-nearly-full", HOST, "memory", reaches("host_memory", Severity.WARNING), Severity.WARNING,
        "memory nearly full", _MEMORY,
    ),
    Rule(
        "host-too-hot", HOST, "temperature", reaches("temperature", Severity.CRITICAL), Severity.CRITICAL,
        "processor too hot", _HEAT,
    ),
    Rule(
        "host-warm", HOST, "temperature", reaches("temperature", Severity.WARNING), Severity.WARNING,
        "processor warm", _HEAT,
    ),
    Rule("disk-hangs", DISK, "hangs", _hangs, Severity.WARNING, "no answer for {hangs}", _NO_SIZE),
    Rule("disk-fails", DISK, "fault", _refuses, Severity.WARNING, "{fault}", _NO_SIZE),
    Rule(
        "disk-read-only", DISK, "read_only", some, Severity.WARNING, "read-only",
        "the kernel mounts a disk so when it finds errors on it",
    ),
    Rule(
        "disk-full", DISK, "fullness", reaches("disk", Severity.CRITICAL), Severity.CRITICAL, "full",
        "{free} free",
    ),
    Rule(
        "disk-nearly-full", DISK, "fullness", reaches("disk", Severity.WARNING), Severity.WARNING,
        "nearly full", "{free} free",
    ),
)  # fmt: skip
"""Rows about the machine and about each of its disks."""
