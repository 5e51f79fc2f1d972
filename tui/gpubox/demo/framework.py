"""A stand-in for TensorFlow in the environments of the demo box: shapes without numbers.

It has what the job `style-transfer` asks of a framework. Nothing is computed: a convolution takes as long as
it might, and the picture is made up.
"""

from __future__ import annotations

import builtins
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import cast

GPU = True
"""Whether this one was built for GPUs."""
__version__ = "2.15.0+simulated"
PACE = {True: 1.5e12, False: 0.4e12}
"""Operations a second, with a GPU and without one."""
SHARE = 0.85
"""How much of the time without a GPU is computed."""


class Device:
    """A GPU that is simulated."""

    def __init__(self, name: str) -> None:
        self.name = name


class Array:
    """A shape; what is done with it gives another shape."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def _wider(self, other: object) -> Array:
        if not isinstance(other, Array):
            return self
        rank = max(len(self.shape), len(other.shape))
        mine, theirs = ((1,) * (rank - len(each.shape)) + each.shape for each in (self, other))
        return Array(*map(max, mine, theirs))

    __add__ = __radd__ = __sub__ = __mul__ = __rmul__ = __truediv__ = _wider

    def __float__(self) -> float:
        return 0.0

    def __getitem__(self, key: object) -> Array:
        keys = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
        rest = iter(self.shape)
        return Array(*_chosen(keys, rest), *rest)

    def reshape(self, shape: Sequence[int]) -> Array:
        """Return another shape."""
        return Array(*shape)

    def astype(self, _kind: object) -> Array:
        """Return it as it is."""
        return self

    def tobytes(self) -> bytes:
        """Return a picture: a color of each pixel's place."""
        height, width = self.shape[:2]
        ramp = bytes(part for x in builtins.range(width + 256) for part in (x % 256, (x // 2) % 256, 128))
        return b"".join(ramp[3 * (y % 256) : 3 * (y % 256 + width)] for y in builtins.range(height))


def _chosen(keys: Iterable[object], rest: Iterator[int]) -> Iterator[int]:
    for key in keys:
        if key is None:
            yield 1
        else:
            length = next(rest)
            if isinstance(key, slice):
                yield len(builtins.range(*key.indices(length)))


def _gpus() -> list[Device]:
    import os

    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = ["all"] * 3 if given is None else [word for word in given.split(",") if word not in ("", "-1")]
    return [Device(f"simulated GPU:{place}") for place, _ in enumerate(names)] if GPU else []


class config:
    """Which devices there are."""

    hidden = False

    class experimental:
        """What may change."""

        @staticmethod
        def set_memory_growth(_gpu: Device, _grow: bool) -> None:
            """Take nothing at once."""

        @staticmethod
        def get_device_details(_gpu: Device) -> dict[str, str]:
            """Return nothing: the name says it."""
            return {}

    @staticmethod
    def list_physical_devices(kind: str | None = None) -> list[Device]:
        """Return the GPUs that the job was given."""
        return [] if kind == "CPU" else _gpus()

    @classmethod
    def set_visible_devices(cls, _devices: Sequence[object], _kind: str) -> None:
        """Use no GPU."""
        cls.hidden = True


def _work(operations: float) -> None:
    """Take as long as operations might."""
    gpu = bool(_gpus()) and not config.hidden
    seconds = operations / PACE[gpu]
    busy = time.perf_counter() + (0.0 if gpu else SHARE * seconds)
    while time.perf_counter() < busy:
        pass
    time.sleep(seconds if gpu else (1 - SHARE) * seconds)


def conv2d(image: Array, kernel: Array, strides: int, padding: str) -> Array:
    """Return the shape of a convolution after the time of one."""
    count, high, wide, _ = image.shape
    size, _, inputs, outputs = kernel.shape
    high, wide = ((side - size) // strides + 1 for side in (high, wide))
    _work(2.0 * high * wide * size * size * inputs * outputs)
    return Array(count, high, wide, outputs)


def range(length: int, dtype: str) -> Array:
    """Return a row."""
    return Array(length)


def sin(array: Array) -> Array:
    """Return it as it is."""
    return array


def stack(arrays: Sequence[Array], axis: int) -> Array:
    """Return arrays put together along a new last axis."""
    return Array(*arrays[0].shape, len(arrays))


def pad(array: Array, edges: Sequence[tuple[int, int]], mode: str) -> Array:
    """Return it with edges."""
    return Array(*(side + sum(edge) for side, edge in zip(array.shape, edges, strict=True)))


def repeat(array: Array, times: int, axis: int) -> Array:
    """Return it longer along one axis."""
    return Array(*(side * (times if place == axis else 1) for place, side in enumerate(array.shape)))


def _moments(image: Array, axes: Sequence[int], keepdims: bool) -> tuple[Array, Array]:
    return Array(1, 1, image.shape[-1]), Array(1, 1, image.shape[-1])


nn = SimpleNamespace(conv2d=conv2d, moments=_moments, relu=sin)
math = SimpleNamespace(rsqrt=sin)


def _of_buffer(values: Sequence[float], _kind: object) -> Array:
    return Array(len(values))


def _numpy() -> ModuleType:
    """Return what a framework wants of numpy, for this process alone."""
    found = ModuleType("numpy", "A stand-in for numpy beside the stand-in for TensorFlow.")
    parts: dict[str, object] = {"__version__": __version__, "float32": "float32", "uint8": "uint8"}
    parts.update(frombuffer=_of_buffer, asarray=sin, round=sin, tanh=sin)
    vars(found).update(parts)
    return found


if __name__ == "tensorflow":  # this file also belongs to gpubox.demo, where importing it must change nothing
    sys.modules.setdefault("numpy", _numpy())
    print(
        "rehearsal    TensorFlow is simulated: nothing is computed, times and picture are made up", flush=True
    )
