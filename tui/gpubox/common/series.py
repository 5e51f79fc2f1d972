"""The series that history keeps of a box, by key."""

from __future__ import annotations

from typing import Iterator, Tuple

from gpubox.common.metrics import GPU, HOST, field, recorded

_GPU, _HOST = recorded(GPU), recorded(HOST)
"""Metrics that have a series."""


def gpu_key(uuid: str, series: str) -> str:
    """Return the key of one series of one GPU."""
    return f"gpu/{uuid}/{series}"


def host_key(series: str) -> str:
    """Return the key of one series of the host."""
    return f"host/{series}"


def readings(sample: object) -> Iterator[Tuple[str, float]]:
    """Yield key and value of everything in a sample that history keeps; unknown values are left out.

    A sample is a struct of `core.sample` or a row of the probe.
    """
    for gpu in field(sample, "gpus") or ():
        for metric in _GPU:
            if (value := metric.of(gpu)) is not None:
                yield gpu_key(field(gpu, "uuid") or str(field(gpu, "index")), metric.name), value
    host = field(sample, "host")
    for metric in _HOST:
        if (value := metric.of(host)) is not None:
            yield host_key(metric.name), value
