"""The features of a box: made when they are first asked for, and at work while it is open."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path
from typing import Self

import gpubox.boxes
from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext, Feature, Purpose
from gpubox.boxes.services import Services
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.feed import Feed
from gpubox.core.target import Target
from tests.boxes.scripted import ScriptedLink, until


class Noting(Feature):
    """Notes what it is run for."""

    def __init__(self) -> None:
        self.purposes: list[Purpose] = []

    @classmethod
    def of(cls, context: BoxContext) -> Self:
        return cls()

    async def background(self, purpose: Purpose) -> None:
        self.purposes.append(purpose)
        await asyncio.Event().wait()


class Later(Noting):
    """Another one."""


def test_a_feature_is_made_once_and_makes_those_it_needs() -> None:
    context = BoxContext(Target("xub", "ssh"))
    assert context.features.value == {}
    services = context.use(Services)
    assert set(context.features.value) == {Services, Tunnels}
    assert context.use(Services) is services


async def test_features_work_while_the_box_is_open_also_those_made_meanwhile() -> None:
    box = Box(BoxContext(Target("xub", "ssh"), shell=Feed(None)), ScriptedLink())
    before = box.use(Noting)
    keeping = asyncio.create_task(box.keep(Purpose.COMMAND))
    await until(lambda: before.purposes)
    later = box.use(Later)
    await until(lambda: later.purposes)
    assert before.purposes == later.purposes == [Purpose.COMMAND]
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


def test_a_box_imports_no_feature() -> None:
    folder = Path(gpubox.boxes.__file__).parent
    features = {f"gpubox.boxes.{path.name}" for path in folder.iterdir() if path.is_dir()}
    for name in ("box.py", "context.py", "factory.py"):
        found = {
            node.module or ""
            for node in ast.walk(ast.parse((folder / name).read_text()))
            if isinstance(node, ast.ImportFrom)
        }
        assert not [module for module in found for feature in features if module.startswith(feature)], name
        assert not found & {"gpubox.boxes.login", "gpubox.boxes.sshd_policy", "gpubox.boxes.processes"}, name
