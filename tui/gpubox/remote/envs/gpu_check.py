"""Checks whether the environment that it runs in sees the GPUs, and stores the answer on the box.

Runs as a job with the environment's own Python, which may be old: `gpu_check.py FOLDER PREFIX JOB`, where
FOLDER is the job's record. The answer is valid until packages or the driver change.
"""

from __future__ import annotations

import ctypes
import glob
import hashlib
import json
import os
import re
import sys
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple

    Row = Dict[str, Any]
    Answer = Tuple[List[str], str]

CUDA_ERRORS = {
    100: "no CUDA device is there",
    803: "the driver and libcuda are of different versions",
    804: "the GPU does not run with this compatibility library",
    999: "the driver answers with an unknown error",
}


class CapturedStderr:
    """The stderr of a framework during the check: its messages say why it sees nothing."""

    def __enter__(self) -> CapturedStderr:
        self.file = tempfile.TemporaryFile()
        self.saved = os.dup(2)
        os.dup2(self.file.fileno(), 2)
        return self

    def __exit__(self, *_: object) -> None:
        sys.stderr.flush()
        os.dup2(self.saved, 2)
        os.close(self.saved)
        self.file.seek(0)
        self.text = self.file.read().decode("utf-8", "replace")
        sys.stderr.write(self.text)
        self.file.close()

    def words(self) -> str:
        """Return the last line about a GPU."""
        lines = [line.strip() for line in self.text.splitlines()]
        lines = [line for line in lines if re.search("cuda|cudnn|gpu|driver", line, re.I)]
        return re.sub(r"^[\d:. -]*[IWEF]?\S*?\.(?:cc|cpp|py):\d+\]\s*", "", lines[-1]) if lines else ""


def last_line(error: BaseException) -> str:
    """Return the message of an error as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def ask_torch() -> Answer:
    """Return the GPUs that torch sees, and its message when there is none."""
    torch = __import__("torch")

    if torch.cuda.is_available():
        return [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())], ""
    try:
        torch.zeros(1).cuda()
    except Exception as error:
        return [], last_line(error)
    return [], "torch.cuda.is_available() says no"


def ask_tensorflow() -> Answer:
    """Return the GPUs that TensorFlow sees, and its message when there is none."""
    tensorflow = __import__("tensorflow")

    found = tensorflow.config.list_physical_devices("GPU")
    names: List[str] = []
    for device in found:
        try:
            name = tensorflow.config.experimental.get_device_details(device).get("device_name")
        except Exception:
            name = None
        names.append(str(name or getattr(device, "name", device)))
    return names, "" if names else "its list of GPUs is empty"


def ask_jax() -> Answer:
    """Return the GPUs that JAX sees, and its message when there is none."""
    jax = __import__("jax")

    try:
        return [str(getattr(device, "device_kind", device)) for device in jax.devices("gpu")], ""
    except Exception as error:
        return [], last_line(error)


def ask_cuda() -> Answer:
    """Return the GPUs that the driver offers, and its message when there is none."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return [], last_line(error)
    status = cuda.cuInit(0)
    if status:
        return [], "cuInit failed with %d: %s" % (status, CUDA_ERRORS.get(status, "see cuda.h"))
    count = ctypes.c_int()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    names: List[str] = []
    for place in range(count.value):
        name = ctypes.create_string_buffer(100)
        cuda.cuDeviceGetName(name, 100, place)
        names.append(name.value.decode("utf-8", "replace"))
    return names, "" if names else "the driver lists no device"


def ask() -> Tuple[bool, List[str], str]:
    """Return the answer of the frameworks: whether they see a GPU, which ones, and their messages."""
    devices: List[str] = []
    words: List[str] = []
    asked = 0
    for name, question in (("torch", ask_torch), ("tensorflow", ask_tensorflow), ("jax", ask_jax)):
        captured = CapturedStderr()
        try:
            with captured:
                found, said = question()
        except ImportError as error:
            if getattr(error, "name", None) != name:
                asked += 1
                words.append("%s: %s" % (name, last_line(error)))
            continue
        except Exception as error:
            asked += 1
            words.append("%s: %s" % (name, last_line(error)))
            continue
        asked += 1
        devices = devices or found
        print("%s sees %s" % (name, ", ".join(found) if found else "no GPU: " + said))
        if not found:
            words.append("%s: %s" % (name, captured.words() or said))
    if not asked:
        devices, said = ask_cuda()
        print("No framework is there; CUDA sees %s" % (", ".join(devices) if devices else "no GPU: " + said))
        if not devices:
            words.append("no framework to ask; CUDA: %s" % said)
    return bool(devices), devices, "; ".join(words)


def stamp(prefix: str) -> str:
    """Return a digest that changes with every package; metadata.py computes the same."""
    names: List[str] = []
    for path in glob.glob(glob.escape(prefix) + "/conda-meta/*.json"):
        parts = os.path.basename(path)[:-5].rsplit("-", 2)
        if len(parts) == 3:
            names.append("-".join(parts))
    places = sorted(glob.glob(glob.escape(prefix) + "/lib/p*/site-packages"), reverse=True)
    here = "%s/lib/python%d.%d/site-packages" % ((prefix, *sys.version_info[:2]))
    site = here if here in places else places[0] if places else ""
    infos: Dict[str, str] = {}
    for name in sorted(os.listdir(site)) if site else ():
        stem, dot, end = name.rpartition(".")
        if dot and end in ("dist-info", "egg-info"):
            infos[re.sub(r"[-_.]+", "-", stem.split("-")[0]).lower()] = name
    return digest("\n".join(sorted(names + list(infos.values()))))


def digest(text: str) -> str:
    """Return a short name for any text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def driver() -> str:
    """Return the version of NVIDIA's driver; empty without one."""
    try:
        with open("/proc/driver/nvidia/version") as file:
            text = file.read(4096)
    except OSError:
        return ""
    match = re.search(r"Kernel Module\D*?(?:for \w+\s+)?(\d+\.[\d.]+)", text)
    return match.group(1) if match else ""


def keep(folder: str, answer: Row) -> None:
    """Write an answer atomically to the place where scans find it."""
    place = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(folder))), "envs")
    if not os.path.isdir(place):
        os.mkdir(place, 0o700)
    path = os.path.join(place, digest(answer["prefix"]) + ".json")
    with open(path + ".new", "w") as file:
        json.dump(answer, file, indent=1)
    os.rename(path + ".new", path)


def main(folder: str, prefix: str, job: str) -> int:
    """Check, print and store the answer; return 0 when a GPU is seen, else 1."""
    sees, devices, words = ask()
    answer = {
        "prefix": prefix,
        "at": time.time(),
        "job": job,
        "sees": sees,
        "devices": devices,
        "words": words[:300],
        "stamp": stamp(prefix),
        "driver": driver(),
    }
    keep(folder, answer)
    return 0 if sees else 1


if __name__ == "__main__":
    status = main(*sys.argv[1:4])
    sys.stdout.flush()
    os._exit(status)  # frameworks have crashed while the interpreter exits; the answer is already stored
