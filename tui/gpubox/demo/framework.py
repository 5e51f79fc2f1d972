"""A stand-in for TensorFlow in the environments of the demo box, for the job `style-transfer` alone.

Nothing is computed: a convolution takes as long as it might, and the picture is made up.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace

GPU = True
"""Whether this one was built for GPUs."""
__version__ = "2.15.0+simulated"
PACE = {True: 1.5e12, False: 0.4e12}
"""Operations a second, with a GPU and without one."""
SHARE = 0.85
"""How much of the time without a GPU is computed."""


def _gpus(kind: str | None = None) -> list[SimpleNamespace]:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = ["all"] * 3 if given is None else [word for word in given.split(",") if word not in ("", "-1")]
    found = [SimpleNamespace(name=f"simulated GPU:{place}") for place, _ in enumerate(names)]
    return found if GPU and kind != "CPU" else []


def _nothing(*_: object) -> dict[str, str]:
    return {}


config = SimpleNamespace(
    list_physical_devices=_gpus,
    set_visible_devices=_nothing,
    experimental=SimpleNamespace(set_memory_growth=_nothing, get_device_details=_nothing),
)


class ImageSize:
    """An image, of which only the size is known."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height

    def __add__(self, _: object) -> ImageSize:
        return self


class Painter:
    """The methods of the job's class for TensorFlow, whose place they take."""

    gpu: str

    def weights(self, _values: object, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a kernel."""
        return shape

    def wave(self, width: int, height: int, *_: float) -> ImageSize:
        """Return one color."""
        return ImageSize(width, height)

    def image(self, waves: Sequence[ImageSize]) -> ImageSize:
        """Return an image of three colors."""
        return waves[0]

    def convolve(self, image: ImageSize, kernel: tuple[int, ...], stride: int) -> ImageSize:
        """Take the time of a convolution, and return what is left of the image."""
        size, _, inputs, outputs = kernel
        made = ImageSize(-(-image.width // stride), -(-image.height // stride))
        gpu = bool(self.gpu)
        seconds = 2.0 * made.width * made.height * size * size * inputs * outputs / PACE[gpu]
        busy = time.perf_counter() + (0.0 if gpu else SHARE * seconds)
        while time.perf_counter() < busy:
            pass
        time.sleep(seconds if gpu else (1 - SHARE) * seconds)
        return made

    def normalize(self, image: ImageSize) -> ImageSize:
        """Return it as it is."""
        return image

    relu = normalize

    def larger(self, image: ImageSize) -> ImageSize:
        """Return it twice as wide and high."""
        return ImageSize(2 * image.width, 2 * image.height)

    def bytes(self, _: ImageSize, width: int, height: int) -> bytes:
        """Return a picture: a color of each pixel's place."""
        ramp = b"".join(bytes((x % 256, (x // 2) % 256, 128)) for x in range(width + 256))
        return b"".join(ramp[3 * (y % 256) : 3 * (y % 256 + width)] for y in range(height))

    def wait(self) -> None:
        """Return at once."""


if __name__ == "tensorflow":  # this file also belongs to gpubox.demo, where importing it must change nothing
    vars(sys.modules.setdefault("numpy", ModuleType("numpy")))["__version__"] = __version__
    if job := sys.modules.get("frameworks"):
        for name, method in vars(Painter).items():
            if callable(method):
                setattr(job.Tensorflow, name, method)
    print(
        "rehearsal    TensorFlow is simulated: nothing is computed, times and picture are made up", flush=True
    )
