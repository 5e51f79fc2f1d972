"""What the pictures of environments and of a comparison show: those of an invented machine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from textual.pilot import Pilot

from gpubox.boxes.box import Box
from gpubox.core.env import Build, Env, Envs, Package, Root, Sight
from gpubox.core.job import GpuWish, JobWish
from gpubox.core.record import Ending, GpuTick, GpuUse, Record, Tick, Usage
from gpubox.ui.screens.compare import CompareScreen

GIB = 1024**3
_ROOT = Root(
    "/home/ada/miniforge3", "miniforge", "/home/ada/miniforge3/bin/mamba", "/home/ada/miniforge3/envs"
)
_CARD = "NVIDIA GeForce RTX 4090"


def environments(now: float) -> Envs:
    """The environments of the invented machine, as they were used before `now`."""

    def env(name: str, python: str, packages: int, used: float, *builds: Build, **more: object) -> Env:
        made = Env(
            f"{_ROOT.envs}/{name}",
            name,
            "conda",
            _ROOT.path,
            python=python,
            packages=packages,
            used=now - used,
            builds=builds,
        )
        return replace(made, **more)

    seen = Sight(now - 900, sees=True, devices=("NVIDIA GeForce GTX 1070", _CARD))
    blind = Sight(now - 900, sees=False, words="Could not load dynamic library 'libcudnn.so.8'")
    return Envs(
        envs=(
            env(
                "tf-gpu",
                "3.11.9",
                214,
                700,
                Build("tensorflow", "2.15.0", "cuda", "12.2"),
                sight=seen,
                size=7 * GIB,
            ),
            env("tf-cpu", "3.11.9", 171, 1500, Build("tensorflow", "2.15.0", "cpu"), size=3 * GIB),
            env("pytorch", "3.12.4", 188, 86_500, Build("torch", "2.4.1", "cuda", "12.1"), sight=seen),
            env(
                "jax",
                "3.12.4",
                96,
                260_000,
                Build("jax", "0.4.30", "cuda", "12.3", missing="libcudnn.so.9 is missing"),
            ),
            env("nightly", "3.13.0", 102, 86_400 * 9, Build("torch", "2.9.0", "cuda", "99.0")),
            env(
                "old-tf",
                "3.8.20",
                133,
                86_400 * 80,
                Build("tensorflow", "2.4.0", "cuda", "11.0"),
                sight=blind,
            ),
            env("thesis", "", 0, 86_400 * 300, broken="its python is gone: bin/python leads nowhere"),
        ),
        roots=(_ROOT,),
    )


def _run(name: str, real: float, ended: Ending, *gpus: GpuUse) -> Record:
    wish = JobWish(
        id=f"20261123-1200-{name}",
        argv=("python", "style_transfer.py"),
        line="python style_transfer.py --size 4242x2828",
        name="style-transfer",
        prefix=f"{_ROOT.envs}/{name}",
        env=name,
        gpus=GpuWish(mode="count") if gpus else GpuWish(mode="none"),
    )
    usage = Usage(
        real,
        user=real * (1.1 if gpus else 7.2),
        sys=1.9 if gpus else 41.0,
        max_rss=int((2.6 if gpus else 11.1) * GIB),
        peak_tree=int((2.7 if gpus else 11.1) * GIB),
    )
    return Record(
        id=wish.id,
        state="ended",
        wish=wish,
        submitted=0.0,
        started=0.0,
        ended=real,
        ending=ended,
        usage=usage,
        gpus=gpus,
        host="deepbox",
        user="ada",
        commit="3f9c2d1a77b0",
    )


def runs() -> tuple[Record, Record]:
    """One job on the GPU and on the CPU; figures of nobody's machine."""
    use = GpuUse(
        "GPU-1",
        1,
        _CARD,
        simulated=True,
        memory_total=24 * GIB,
        peak_memory=9 * GIB,
        mean_util=71.0,
        busy_util=93.0,
        max_temperature=58.0,
        mean_power=268.0,
        max_power=391.0,
        energy=2010.0,
        energy_by="counter",
        mean_clock=2655.0,
        used=True,
    )
    done = Ending("exit", code=0)
    return _run("tf-gpu", 7.5, done, use), _run("tf-cpu", 106.4, done)


def ticks(record: Record) -> tuple[Tick, ...]:
    """The curves of these runs."""
    seconds = range(round(record.usage.real) if record.usage is not None else 0)
    if record.gpus:
        return tuple(
            Tick(
                float(at),
                cpu=110.0,
                rss=2 * GIB,
                gpus=(GpuTick("GPU-1", 20.0 if at < 2 else 93.0, 9 * GIB, power=300.0),),
            )
            for at in seconds
        )
    return tuple(
        Tick(float(at), cpu=700 + 40 * math.sin(at / 5), rss=int((2 + at / 12) * GIB)) for at in seconds
    )


PACKAGES: Mapping[str, Sequence[Package]] = {
    "tf-gpu": (
        Package("tensorflow", "2.15.0", "cuda120"),
        Package("cudnn", "8.9.7"),
        Package("cuda-nvcc", "12.2.140"),
    ),
    "tf-cpu": (Package("tensorflow", "2.15.0", "cpu"),),
}


def furnish(box: Box) -> None:
    """Put the invented machine's environments and jobs in the place of this one's."""

    async def find() -> Envs:
        sample = box.sample.value
        found = environments(sample.time if sample is not None else 0.0)
        box.envs.feed.put(found)
        return found

    async def packages(env: Env) -> tuple[Package, ...]:
        return tuple(PACKAGES.get(env.name, ()))

    async def curves(job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        return next((ticks(record) for record in runs() if record.id == job), ()), start

    box.envs.find, box.envs.packages, box.jobs.ticks = find, packages, curves


async def come_to(picture: str, pilot: Pilot[None], box: Box) -> None:
    """Bring the screen to where the picture of `envs` or of `compare` is taken."""
    if picture == "envs":
        found = await box.envs.find()
        box.envs.chosen.put(found.envs[0])
        await pilot.press("e", "m")
    else:
        await pilot.app.push_screen(CompareScreen(box, runs()))
    await pilot.pause(0.5)
