"""Environments of a box that is not there: they do what a test tells them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Input

from gpubox.boxes.box import Box
from gpubox.boxes.context import Feature
from gpubox.boxes.envs.envs import Environments
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.core.env import Build, Env, Envs, Kind, Package, Root, Sight
from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.ui.panels.envs.panel import EnvsPanel
from tests import samples
from tests.parts import GIB, NOW
from tests.ui.fakes import make_box, until
from tests.ui.jobs import FakeJobs
from tests.ui.stage import Stage, on_stage

ROOT = Root(
    "/home/ada/miniconda3", "miniconda", "/home/ada/miniconda3/bin/conda", "/home/ada/miniconda3/envs"
)


def env(name: str, *builds: Build, kind: Kind = "conda", **more: object) -> Env:
    """An environment that can be used."""
    prefix = f"{ROOT.envs}/{name}" if kind == "conda" else f"/home/ada/{name}/.venv"
    made = Env(prefix, name, kind, ROOT.path, python="3.11.9", builds=builds, packages=180, used=NOW - 7200)
    return replace(made, **more)


TF_GPU = env(
    "tf-gpu",
    Build("tensorflow", "2.15.0", "cuda", "12.2"),
    sight=Sight(NOW - 600, sees=True, devices=("NVIDIA GeForce RTX 4090",)),
)
TF_CPU = env("tf-cpu", Build("tensorflow", "2.15.0", "cpu"))
TORCH = env("torch", Build("torch", "2.4.1+cu121", "cuda", "12.1"), sight=Sight(
    NOW - 600, sees=False, words="CUDA driver initialization failed"), size=7 * GIB)  # fmt: skip
TOO_NEW = env("nightly", Build("torch", "2.9.0", "cuda", "99.0"))
MISSING = env("jax", Build("jax", "0.4.30", "cuda", "12.3", missing="libcudnn.so.9 is not there"), kind="uv")
BROKEN = env("old", broken="its python is gone: bin/python leads nowhere")
HOSTILE = env("[red]x[/]\x1b[31m\nno", kind="venv")
ALL = (BROKEN, HOSTILE, MISSING, TOO_NEW, TF_CPU, TF_GPU, TORCH)


class FakeEnvs(Feature):
    """Stands in for Environments."""

    def __init__(self, *envs: Env, roots: Sequence[Root] = (ROOT,)) -> None:
        self.feed: Feed[Envs | None] = Feed(Envs(envs=tuple(envs), roots=tuple(roots), cuda="12.4"))
        self.chosen: Feed[Env | None] = Feed(None)
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        self.error: GpuBoxError | None = None
        self.looks = 0
        self.remembered: Env | None = None
        """What was chosen last time."""
        self.lists: dict[str, tuple[Package, ...]] = {}
        """Packages by the name of their environment."""

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    async def find(self) -> Envs:
        self._fail()
        self.looks += 1
        assert self.feed.value is not None
        return self.feed.value

    async def restore(self) -> Env | None:
        self._fail()
        self.chosen.put(self.remembered)
        return self.remembered

    def named(self, name: str) -> Env:
        assert self.feed.value is not None
        return next(one for one in self.feed.value.envs if one.name == name)

    async def use(self, env: Env | None) -> None:
        self._fail()
        self.chosen.put(env)

    async def packages(self, env: Env) -> tuple[Package, ...]:
        self._fail()
        return self.lists.get(env.name, ())

    async def size(self, env: Env) -> int:
        self._fail()
        found = self.feed.value or Envs()
        sized = (replace(one, size=3 * GIB) if one == env else one for one in found.envs)
        self.feed.put(replace(found, envs=tuple(sized)))
        return 3 * GIB

    def _spec(self, *words: str) -> JobSpec:
        return JobSpec(id=f"20261123-150000-{words[0][:4]}", argv=words, name=words[0])

    def create(self, name: str, packages: Sequence[str], where: str = "", kind: Kind = "conda") -> JobSpec:
        return self._spec("create", name, kind, where, *packages)

    def create_from(self, yml: str, name: str, where: str = "", kind: Kind = "conda") -> JobSpec:
        return self._spec("create-from", name, kind, where, yml)

    def clone(self, env: Env, name: str) -> JobSpec:
        return self._spec("clone", env.name, name)

    def install(self, env: Env, packages: Sequence[str]) -> JobSpec:
        return self._spec("install", env.name, *packages)

    def remove(self, env: Env) -> JobSpec:
        return self._spec("remove", env.name)

    def rename(self, env: Env, name: str) -> JobSpec:
        return self._spec("rename", env.name, name)

    def export(self, env: Env) -> JobSpec:
        return self._spec("export", env.name)

    def probe_gpu(self, env: Env) -> JobSpec:
        return self._spec("see", env.name)


def equip(box: Box, envs: FakeEnvs) -> Box:
    """Give a box these environments."""
    box.context.provide(Environments, cast("Environments", envs))
    return box


@asynccontextmanager
async def envs_of(
    envs: FakeEnvs, size: tuple[int, int] = (118, 16), answers: Sequence[str | None] = ()
) -> AsyncGenerator[tuple[Stage[EnvsPanel], Pilot[None], FakeJobs]]:
    """Put the panel on the stage and wait until it has looked."""
    sample = samples.training_box()
    box = equip(make_box(sample), envs)
    jobs = FakeJobs()
    box.context.provide(Jobs, cast("Jobs", jobs))
    async with on_stage(EnvsPanel, sample, size, box=box, answers=answers) as (stage, pilot):
        await until(pilot, lambda: "Looking" not in stage.text)
        yield stage, pilot, jobs


def line(stage: Stage[EnvsPanel], name: str) -> str:
    return next((row for row in stage.text.splitlines() if name in row), "")


def toasts(stage: Stage[EnvsPanel]) -> str:
    return "\n".join(f"{one.title} {one.message}" for one in stage._notifications)


async def come_to(stage: Stage[EnvsPanel], pilot: Pilot[None], name: str) -> None:
    await pilot.press("home")
    for _ in range(20):
        if stage.panel.chosen is not None and stage.panel.chosen.name == name:
            return
        await pilot.press("down")
    raise AssertionError(name)


async def fill(stage: Stage[EnvsPanel], pilot: Pilot[None], **fields: str) -> None:
    for name, value in fields.items():
        stage.screen.query_one(f"#{name}", Input).value = value
    await pilot.press("enter")
