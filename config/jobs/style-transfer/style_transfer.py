"""Feed-forward style transfer with the framework that is there: a job to compare two environments with.

The network is the one of Johnson et al. (2016): three convolutions, five residual blocks, two times
upsampling, one convolution, with instance normalization. Its weights come from a fixed seed, so that it
paints no known style, but does exactly the work that a trained one does. The image is made here.

Exit codes: 0 done, 2 usage error, 3 no framework is there, 4 a GPU was demanded and none is seen.
"""

import argparse
import array
import math
import os
import platform
import random
import struct
import sys
import time
import zlib

from frameworks import FRAMEWORKS, choose, say

NO_FRAMEWORK, NO_GPU = 3, 4
BLOCKS = 5
LAYERS = (
    [("in", 9, 3, 32), ("half", 3, 32, 64), ("quarter", 3, 64, 128)]
    + [("block", 3, 128, 128)] * (2 * BLOCKS)
    + [("double", 3, 128, 64), ("full", 3, 64, 32), ("out", 9, 32, 3)]
)
"""Name, kernel size, channels in and out of each convolution, in order."""
WAVES = ((37.0, 53.0, 3.0), (71.0, 29.0, 2.0), (43.0, 97.0, 4.0))
"""For each color of the made image: wavelengths across and down in pixels, and how far they bend."""


class Clock:
    """Tells how long each phase took."""

    def __init__(self):
        self.begin = self.last = time.perf_counter()

    def tell(self, phase):
        """Say how long the phase took that ends now."""
        now = time.perf_counter()
        say(phase, f"{now - self.last:.3f} s")
        self.last = now


def make_weights(framework, seed):
    """Return the kernels of all layers, the same with every framework: uniform, scaled by their inputs."""
    draw = random.Random(seed).random
    kernels = []
    for _, size, inputs, outputs in LAYERS:
        reach = math.sqrt(6.0 / (size * size * inputs))
        values = array.array("f", ((2 * draw() - 1) * reach for _ in range(size * size * inputs * outputs)))
        kernels.append(framework.weights(values, (size, size, inputs, outputs)))
    return kernels


def forward(framework, image, kernels):
    """Return the image as the network paints it."""
    kept = None
    for number, kernel in enumerate(kernels):
        name = LAYERS[number][0]
        if name in ("double", "full"):
            image = framework.larger(image)
        second = name == "block" and number % 2 == 0
        if name == "block" and not second:
            kept = image + 0  # a copy: relu works in place where it can
        image = framework.convolve(image, kernel, 2 if name in ("half", "quarter") else 1)
        if name == "out":
            return image
        image = framework.normalize(image)
        image = image + kept if second else framework.relu(image)
    return image


def small_png(width, height, data, most):
    """Return a PNG of at most `most` pixels across, made by leaving pixels out."""
    step = max(1, -(-width // most))
    rows = []
    for y in range(0, height, step):
        row = data[3 * y * width : 3 * (y + 1) * width]
        thin = bytearray(3 * len(range(0, width, step)))
        for color in range(3):
            thin[color::3] = row[color :: 3 * step]
        rows.append(b"\0" + bytes(thin))
    head = struct.pack(">IIBBBBB", len(range(0, width, step)), len(rows), 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(rows), 6)), (b"IEND", b""))
    out = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in chunks:
        out.append(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    return b"".join(out)


def words():
    """Return what stands on the command line; ends the program with 2 where that is wrong."""
    parser = argparse.ArgumentParser(description="Feed-forward style transfer, to compare environments with.")
    parser.add_argument("--size", default="4242x2828", help="width and height of the image, in pixels")
    parser.add_argument("--seed", type=int, default=1, help="what the weights are made from")
    parser.add_argument("--passes", type=int, default=1, help="how often the image is painted")
    parser.add_argument("--device", choices=("auto", "gpu", "cpu"), default="auto")
    parser.add_argument("--framework", choices=("auto", *FRAMEWORKS), default="auto")
    parser.add_argument("--out", default="style-transfer.png", help="where the result goes, made smaller")
    given = parser.parse_args()
    try:
        given.width, given.height = (int(part) for part in given.size.split("x"))
    except ValueError:
        parser.error("--size wants WIDTHxHEIGHT, such as 4242x2828")
    if min(given.width, given.height) < 32 or given.passes < 1:
        parser.error("--size wants at least 32x32, and --passes at least 1")
    return given


def main():
    """Do it and return the exit code."""
    given = words()
    clock = Clock()
    name, framework = choose("" if given.framework == "auto" else given.framework, given.device)
    if framework is None:
        tried = given.framework if given.framework != "auto" else ", ".join(FRAMEWORKS)
        say("no framework", f"{sys.prefix} has none of: {tried}")
        return NO_FRAMEWORK
    say("python", f"{platform.python_version()} in {sys.prefix}")
    say("framework", f"{name} {framework.version}")
    if not framework.gpu and given.device == "gpu":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        say("no GPU", f"{name} sees none; CUDA_VISIBLE_DEVICES is {visible!r}")
        return NO_GPU
    threads = f" with {framework.threads} threads" if framework.threads else ""
    say("device", "GPU: " + framework.gpu if framework.gpu else "CPU" + threads)
    clock.tell("import")
    waves = [framework.wave(given.width, given.height, *wave) for wave in WAVES]
    image = framework.image(waves)
    del waves
    framework.wait()
    clock.tell("image")
    kernels = make_weights(framework, given.seed)
    clock.tell("weights")
    painted = image
    for number in range(given.passes):
        painted = forward(framework, image, kernels)
        framework.wait()
        clock.tell(f"pass {number + 1}")
    width, height = given.width, given.height
    data = framework.bytes(painted, width, height)
    with open(given.out, "wb") as file:
        file.write(small_png(width, height, data, 800))
    clock.tell("result")
    means = ", ".join(f"{sum(data[color::3]) / (width * height):.1f}" for color in range(3))
    say("size", f"{width}x{height}, the result is in {given.out}")
    say("mean color", means)  # the same everywhere
    say("checksum", f"{zlib.crc32(data):08x}")  # the same on one kind of device; others round differently
    say("total", f"{time.perf_counter() - clock.begin:.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
