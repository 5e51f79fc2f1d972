"""What pictures of environments and jobs show: environments of an invented machine, and jobs of the demo."""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import Sequence

from msgspec.structs import replace
from textual.pilot import Pilot

from gpubox.boxes.box import Box
from gpubox.boxes.envs.envs import Environments
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.spec_parsing import new_id
from gpubox.core.env import Build, Env, Envs, Package, Root, Sight
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import Record
from gpubox.ui.panels.jobs.compare_screen import CompareScreen
from tests.ui.fakes import until

USER, HOST = "ada", "deepbox"
GIB = 1024**3
_ROOT = Root(
    "/home/ada/miniforge3", "miniforge", "/home/ada/miniforge3/bin/mamba", "/home/ada/miniforge3/envs"
)
_CARDS = tuple(f"NVIDIA GeForce {name}" for name in ("GTX 1070", "RTX 4090", "RTX 3060"))


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

    seen = Sight(now - 900, sees=True, devices=_CARDS)
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


TRAIN = ("python", "train.py", "--epochs")


async def launch(box: Box, name: str, env: str, *argv: str, gpu: bool = True) -> Record:
    """Start a job in an environment of the demo box."""
    shell = box.shell.value
    assert shell is not None
    home = (await shell.run("cd && pwd")).stdout.decode().strip()
    spec = JobSpec(
        id=new_id(),
        argv=argv,
        line=" ".join(argv),
        name=name,
        env=env,
        prefix=f"{home}/miniconda3/envs/{env}",
        kind="conda",
        gpus=GpuRequest(mode="count" if gpu else "none"),
        by=f"{USER}@laptop",
    )
    return await box.use(Jobs).launch(spec)


async def employ(box: Box) -> tuple[Record, ...]:
    """Run the jobs that the pictures show; returns two that ended: one on a GPU and one on the CPU."""
    async with asyncio.timeout(30):
        async for sample in box.sample.follow():
            if sample is not None:
                break
    gpu = await launch(box, "small, GPU", "tf-gpu", *TRAIN, "3")
    cpu = await launch(box, "small, CPU", "tf-cpu", *TRAIN, "3", gpu=False)
    for name, *argv in (("diverge", "python", "diverge.py"), ("whole", *TRAIN, "30"), ("next", *TRAIN, "5")):
        await launch(box, name, "tf-gpu", *argv)
    return await ended(box, (gpu, cpu))


async def ended(box: Box, runs: Sequence[Record]) -> tuple[Record, ...]:
    """Wait for jobs to end; returns them as they are then."""
    ids = [record.id for record in runs]
    async with asyncio.timeout(120):
        async for records in box.use(Jobs).feed.follow():
            found = {record.id: record for record in records if record.ending is not None}
            if all(name in found for name in ids):
                return tuple(found[name] for name in ids)
    raise AssertionError


def elsewhere(record: Record) -> Record:
    """Return a job as the invented machine would tell of it."""
    spec = record.spec
    return replace(
        record,
        spec=replace(spec, prefix=f"{_ROOT.envs}/{spec.env}" if spec.env else ""),
        cwd=re.sub(r"^/.*/gpubox-demo-\w+/home", f"/home/{USER}", record.cwd),
        waits=re.sub(rf"\b{re.escape(getpass.getuser())}\b", USER, record.waits),
        host=HOST,
        user=USER,
    )


def furnish(box: Box) -> None:
    """Put the invented machine's environments in the place of the demo's, and its names on its jobs."""
    envs = box.use(Environments)
    put, packages_of = box.use(Jobs).feed.put, envs.packages
    homes: dict[str, str] = {}

    async def find() -> Envs:
        sample = box.sample.value
        found = environments(sample.time if sample is not None else 0.0)
        envs.feed.put(found)
        return found

    def jobs(value: tuple[Record, ...]) -> None:
        for record in value:
            homes[f"{_ROOT.envs}/{record.spec.env}"] = record.spec.prefix
        put(tuple(map(elsewhere, value)))

    async def packages(env: Env) -> tuple[Package, ...]:
        return await packages_of(replace(env, prefix=homes.get(env.prefix, env.prefix)))

    envs.find, envs.packages, box.use(Jobs).feed.put = find, packages, jobs


async def come_to(picture: str, pilot: Pilot[None], box: Box, runs: Sequence[Record]) -> None:
    """Bring the screen to where the picture of `envs`, `jobs` or `compare` is taken."""
    await pilot.press("escape", "escape")
    if picture == "envs":
        found = await box.use(Environments).find()
        box.use(Environments).chosen.put(found.envs[0])
        await pilot.press("e")
    elif picture == "jobs":
        await pilot.press("j", "home", "enter")
    else:
        screen = CompareScreen(box, runs)
        await pilot.app.push_screen(screen)
        await until(pilot, lambda: screen.check_action("graph", ()))
        await pilot.press("g")  # the use of the CPU, which both have
    await pilot.pause(1.5)  # the log, packages and curves come from the demo box
    pilot.app.clear_notifications()
    await pilot.pause()
