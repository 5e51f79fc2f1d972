"""Job specs, wherever they are built: all take the same from an environment and from the settings."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from gpubox.boxes.envs import operations
from gpubox.boxes.envs.envs import Environments
from gpubox.boxes.jobs import spec_builder
from gpubox.boxes.jobs.templates import Template, fill
from gpubox.config.settings import JobSettings, Settings
from gpubox.core.env import Env
from gpubox.core.errors import ConfigError
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import GpuPlace
from gpubox.ui.panels.jobs.draft import Draft
from gpubox.ui.panels.jobs.fields import Context
from tests.boxes.scripted import context

ENV = Env("/envs/x", "x", "conda", tool="conda", python="3.12")
SETTINGS = JobSettings(grace=3.0, notify=False)
BOX = context("xub", settings=Settings(jobs=SETTINGS))
NONE = GpuRequest(mode="none")
PLACES = (GpuPlace("GPU-1", 0), GpuPlace("GPU-2", 1))


def of_form() -> JobSpec:
    draft = Draft(Context("xub", envs=(ENV,), chosen=ENV, settings=SETTINGS), None)
    draft.texts["command"] = "train"
    return draft.spec()


@pytest.mark.parametrize(
    ("made", "in_env"),
    [
        (of_form, True),
        (lambda: spec_builder.build(("train",), ENV, SETTINGS), True),
        (lambda: fill(Template(name="t", command="train"), env=ENV, gpus=NONE, values={}, settings=SETTINGS),
         True),
        (lambda: Environments(BOX).probe_gpu(ENV), True),
        (lambda: Environments(BOX).install(ENV, ["numpy"]), False),
    ],
    ids=["form", "command", "template", "GPU check", "environment"],
)  # fmt: skip
def test_every_spec_takes_the_same_from_its_environment_and_the_settings(
    made: Callable[[], JobSpec], in_env: bool
) -> None:
    spec = made()
    assert (spec.grace, spec.notify) == (3.0, False)
    assert (spec.env, spec.prefix, spec.kind) == (("x", "/envs/x", "conda") if in_env else ("", "", ""))
    assert len(spec.id) == len("20261123-124501-k3xqpw")


def test_the_settings_cannot_make_a_spec_announced_that_is_not() -> None:
    assert not spec_builder.with_settings(operations.probe_gpu(ENV), JobSettings()).notify


def test_a_typed_line_that_did_not_change_keeps_its_arguments() -> None:
    spec = replace(spec_builder.build(("{files}/run", "a b")), line="run 'a b'")
    assert spec_builder.with_line(spec, "run 'a b'").argv == ("{files}/run", "a b")
    assert spec_builder.with_line(spec, "run | wc").argv == ("/bin/sh", "-c", "run | wc")
    with pytest.raises(ConfigError, match="No command"):
        spec_builder.with_line(spec_builder.build(()), "")


def test_the_same_job_again_is_a_new_one_that_waits_for_no_other() -> None:
    spec = replace(spec_builder.build(("train",), ENV), by="ada@laptop", after="x", name="night")
    again = spec_builder.again(spec)
    assert again.id != spec.id
    assert replace(again, id=spec.id) == replace(spec, by="", after="")


def test_a_new_job_asks_for_no_more_gpus_than_there_are() -> None:
    assert spec_builder.default_gpus(JobSettings(gpus=8), PLACES) == GpuRequest(count=2)
    assert spec_builder.default_gpus(JobSettings(gpus=0), PLACES) == NONE
    assert spec_builder.default_gpus(JobSettings(gpus=1), ()) == NONE
    draft = Draft(Context("xub", places=PLACES, settings=JobSettings(gpus=8)), None)
    assert draft.texts["gpus"] == "2"
