"""Templates: all that ship can be read and filled in, and a value stays one word."""

import pytest

from gpubox.boxes.jobs.templates import Template, all_shipped, fill, gpus_for, named
from gpubox.core.env import Build, Env
from gpubox.core.errors import ConfigError
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import GpuPlace

CUDA = Env("/envs/gpu", "gpu", "conda", builds=(Build("torch", "2.4", "cuda", "12.4"),))
CPU = Env("/envs/cpu", "cpu", "conda", builds=(Build("torch", "2.4", "cpu"),))
PLACES = (GpuPlace("GPU-1", 0),)


def filled(template: Template, env: Env | None = CPU, **values: str) -> JobSpec:
    return fill(template, env=env, gpus=GpuRequest(mode="none"), values=values)


@pytest.mark.parametrize("template", all_shipped(), ids=lambda one: one.name)
def test_each_template_that_ships_makes_a_job(template: Template) -> None:
    spec = filled(template)
    assert template.title
    assert template.about
    assert spec.template == template.name
    assert not any("{python}" in word for word in spec.argv)
    gpus_for(template, CUDA, PLACES)


def test_the_style_transfer_brings_its_program_and_its_picture_back() -> None:
    spec = filled(named("style-transfer", all_shipped()), size="640x480")
    assert spec.argv[:2] == ("python", "{files}/style_transfer.py")
    assert "640x480" in spec.argv
    assert set(spec.files) == {"style_transfer.py", "frameworks.py"}
    assert (spec.cwd, spec.results) == ("{folder}", ("style-transfer.png",))
    assert spec.limit == 7200


def test_an_environment_for_gpus_gets_one_and_one_for_the_cpu_gets_none() -> None:
    template = named("style-transfer", all_shipped())
    assert gpus_for(template, CUDA, PLACES) == GpuRequest(mode="count", count=1)
    assert gpus_for(template, CPU, PLACES).mode == "none"
    assert gpus_for(template, CUDA, ()).mode == "none"
    assert gpus_for(template, None, PLACES).mode == "none"


def test_a_value_stays_one_word_of_the_command_whatever_stands_in_it() -> None:
    hostile = "a b'; $(touch /tmp/x) {files}"
    plain = Template(name="t", argv=("show", "{what}"), variables={"what": ""})
    assert filled(plain, what=hostile).argv == ("show", hostile)
    words = Template(name="t", command="show {what} twice", variables={"what": ""})
    assert filled(words, what=hostile).argv == ("show", hostile, "twice")
    shell = Template(name="t", command="show {what} | wc", variables={"what": ""})
    assert filled(shell, what="a'; rm x").argv == ("/bin/sh", "-c", "show 'a'\"'\"'; rm x' | wc")


def test_an_unknown_name_or_variable_is_answered_with_what_is_close() -> None:
    with pytest.raises(ConfigError, match="style-transfer"):
        named("style-transfr", all_shipped())
    with pytest.raises(ConfigError, match="size"):
        filled(named("style-transfer", all_shipped()), sizes="1x1")
