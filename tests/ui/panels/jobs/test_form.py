"""The form for a job: every field in words, choices for each, secrets unseen, by keyboard alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace as changed

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot
from textual.widgets import Input

from gpubox.boxes.jobs.queue_view import Partition, QueueView
from gpubox.config.settings import JobSettings
from gpubox.core.env import Build, Env
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.panels.jobs.draft import Draft
from gpubox.ui.panels.jobs.fields import Context, FieldError, choices
from gpubox.ui.panels.jobs.form import JobForm
from gpubox.ui.widgets.secret_input import masked
from tests.parts import UUID_1070, UUID_4090
from tests.samples import training_box
from tests.ui.envs import FakeEnvs, equip
from tests.ui.fakes import Clock, burst, complete, make_app, make_box, steady, until
from tests.ui.jobs import ALL, PLACES, RUNNING, FakeJobs, employ, ended
from tests.ui.stage import same_picture

pytestmark = pytest.mark.usefixtures("clock")
GPU_ENV = Env(
    "/home/ada/miniconda3/envs/tf-gpu", "tf-gpu", "conda", python="3.10.14",
    builds=(Build("tensorflow", "2.15.0", "cuda", "12.2"),),
)  # fmt: skip
CPU_ENV = Env("/home/ada/miniconda3/envs/tf-cpu", "tf-cpu", "conda", python="3.10.14")
TWIN = Env("/data/envs/tf-cpu", "tf-cpu", "venv")
BROKEN = Env("/home/ada/old", "old", "conda", broken="its Python is gone")
STYLE = JobSpec("", ("python", "{files}/style.py"), line="python {files}/style.py", name="style",
    files={"style.py": "print()"}, template="style", results=("*.png",),
    gpus=GpuRequest(count=1))  # fmt: skip
KNOWN = Context(
    box="xub",
    envs=(GPU_ENV, CPU_ENV, BROKEN),
    chosen=GPU_ENV,
    places=PLACES,
    records=ALL,
    past=("python train.py --epochs 30", "nvidia-smi -l 1"),
    templates=(("Style transfer", STYLE),),
    settings=JobSettings(grace=7.0),
)


def draft(**texts: str) -> Draft:
    """A form with a command, and other fields as they are given."""
    made = Draft(KNOWN, None)
    made.texts.update({"command": "true", **texts})
    return made


def test_a_new_job_begins_with_the_chosen_env_and_a_gpu() -> None:
    spec = draft(command="python train.py --lr 1e-3").spec()
    assert spec.argv == ("python", "train.py", "--lr", "1e-3")
    assert spec.line == "python train.py --lr 1e-3"
    assert (spec.env, spec.prefix, spec.kind) == ("tf-gpu", GPU_ENV.prefix, "conda")
    assert spec.gpus == GpuRequest(mode="count", count=1)
    assert spec.grace == 7.0
    assert spec.limit is None
    assert spec.notify
    assert not spec.by
    assert spec.id != draft().spec().id
    assert Draft(changed(KNOWN, places=()), None).texts["gpus"] == "none"
    assert Draft(changed(KNOWN, chosen=BROKEN), None).texts["env"] == "none"


def test_every_field_gets_into_the_spec() -> None:
    spec = draft(
        command="make | tee log", folder="~/style", env="none", gpus="#1", name=" night run ",
        variables="A=1 B='two words' WANDB_API_KEY=abc", when="after train any", limit="2h30m", notify="no",
        results="*.png 'a b'",
    ).spec()  # fmt: skip
    assert spec.argv == ("/bin/sh", "-c", "make | tee log")
    assert (spec.cwd, spec.env, spec.prefix, spec.name) == ("~/style", "", "", "night run")
    assert spec.gpus == GpuRequest(mode="chosen", count=1, uuids=(UUID_4090,))
    assert spec.environment == {"A": "1", "B": "two words", "WANDB_API_KEY": "abc"}
    assert spec.hidden == ("WANDB_API_KEY",)
    assert (spec.after, spec.after_any) == (RUNNING.id, True)
    assert spec.limit == 9000
    assert not spec.notify
    assert spec.login
    assert not draft(login="no").spec().login
    assert not Draft(KNOWN, draft(login="no").spec()).spec().login
    assert spec.results == ("*.png", "a b")
    assert Draft(KNOWN, spec).spec().results == ("*.png", "a b")
    assert draft(when="now").spec().now


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("command", "", "command to run"),
        ("command", "echo 'open", "quote"),
        ("env", "tf", "no such env: tf-gpu, tf-cpu?"),
        ("env", "old", "its Python is gone"),
        ("gpus", "3", "has 2 GPUs"),
        ("gpus", "#7", "no GPU 7"),
        ("gpus", "many", "many is not a GPU"),
        ("variables", "A", "NAME=VALUE"),
        ("variables", "A='1", "quote is not closed"),
        ("variables", "TOKEN=", "TOKEN was not kept"),
        ("when", "later", "free, now, or after JOB"),
        ("when", "after nobody", "no such job"),
        ("limit", "soon", "not a duration"),
        ("notify", "maybe", "yes or no"),
        ("login", "maybe", "yes or no"),
        ("results", "'open", "quote is not closed"),
    ],
)
def test_what_is_wrong_is_reported_in_words_at_its_field(field: str, text: str, said: str) -> None:
    wrong = draft(**{field: text})
    with pytest.raises(FieldError, match=said) as caught:
        wrong.spec()
    assert caught.value.field == field
    with pytest.raises(FieldError):
        wrong.meaning(field)


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("command", "a | b", "a shell runs it"),
        ("env", "tf-gpu", "conda · Python 3.10.14 · tensorflow 2.15.0 cuda"),
        ("env", CPU_ENV.prefix, "conda · Python 3.10.14"),
        ("gpus", "1", "0 of 2 free"),
        ("gpus", "#0", "GPU 0: python (pid 812, bob, 642 MiB)"),
        ("gpus", "any", "without a lease"),
        ("gpus", "none", "runs on the CPU"),
        ("variables", "TOKEN=x", "TOKEN: not recorded"),
        ("when", "after train", "after train succeeded"),
        ("results", "*.png", "g fetches them"),
        ("limit", "90", "is ended after 1m 30s"),
    ],
)
def test_what_a_field_means_is_reported_beside_it(field: str, text: str, said: str) -> None:
    assert said in draft(**{field: text}).meaning(field)


def test_envs_of_one_name_are_distinguished_by_their_path() -> None:
    twins = Draft(changed(KNOWN, envs=(CPU_ENV, TWIN)), None)
    twins.texts.update(command="true", env="tf-cpu")
    with pytest.raises(FieldError, match="write its path"):
        twins.spec()
    twins.texts["env"] = TWIN.prefix
    assert twins.spec().prefix == TWIN.prefix


def test_a_job_that_is_edited_keeps_what_nobody_changed() -> None:
    past = replace(
        RUNNING.spec, argv=("python", "a b.py"), line="", gpus=GpuRequest("chosen", 1, (UUID_1070,)),
        limit=5400.0, environment={"A": "it's"}, hidden=("TOKEN",), results=("*.png",), group="g",
    )  # fmt: skip
    again = Draft(KNOWN, past)
    assert again.texts["command"] == "python 'a b.py'"
    assert again.texts["gpus"] == "#0"
    assert again.texts["limit"] == "1h30m"
    with pytest.raises(FieldError, match="TOKEN was not kept"):
        again.spec()
    again.texts["variables"] = again.texts["variables"].replace("TOKEN=", "TOKEN=new")
    spec = again.spec()
    assert spec.argv == past.argv
    assert spec.environment == {"A": "it's", "TOKEN": "new"}
    assert (spec.results, spec.group, spec.limit) == (("*.png",), "g", 5400.0)
    assert spec.gpus.uuids == (UUID_1070,)
    again.texts["command"] = "other"
    assert again.spec().argv == ("other",)


def test_with_slurm_the_form_asks_who_runs_it_and_where() -> None:
    known = changed(KNOWN, queues={"slurm": QueueView((Partition("gpu", nodes=4, idle=3),))}, places=())
    made = Draft(known, None)
    made.texts.update(command="true", backend="slurm", partition="gpu", gpus="2")
    spec = made.spec()
    assert (spec.backend, spec.options, spec.gpus.count) == ("slurm", {"partition": "gpu"}, 2)
    assert "3 of 4 nodes idle" in made.meaning("partition")
    made.texts["partition"] = "cpu"
    with pytest.raises(FieldError, match="there is gpu"):
        made.spec()
    made.texts.update(partition="gpu", backend="pbs", gpus="none")
    with pytest.raises(FieldError, match="box or slurm"):
        made.spec()
    assert draft(backend="slurm").spec().backend == "box", "a box without Slurm asks nobody"


def test_a_template_fills_the_form_and_keeps_its_files() -> None:
    made = draft()
    template = next(one for one in choices("command", KNOWN) if one.spec is not None)
    assert (template.title, template.words) == ("Style transfer", "template style")
    made.take("command", template)
    spec = made.spec()
    assert spec.argv == STYLE.argv
    assert spec.files == STYLE.files
    assert (spec.name, spec.template, spec.results) == ("style", "style", ("*.png",))


def test_what_the_box_answers_later_changes_only_what_nobody_wrote() -> None:
    made = Draft(Context("xub"), None)
    assert (made.texts["env"], made.texts["gpus"]) == ("none", "none")
    made.texts.update(command="true", folder="~/mine")
    assert set(made.learn(KNOWN)) == {"env", "gpus"}
    assert (made.texts["env"], made.texts["gpus"], made.texts["folder"]) == ("tf-gpu", "1", "~/mine")


def test_a_new_job_begins_where_the_last_one_of_ones_own_was() -> None:
    mine, other = (ended(name) for name in ("mine", "other"))
    mine = replace(mine, spec=replace(mine.spec, cwd="~/style"))
    other = replace(other, spec=replace(other.spec, cwd="/envs/gone", template="env"))
    assert Draft(Context("xub", records=(other, mine)), None).texts["folder"] == "~/style"
    assert Draft(Context("xub", records=(other,)), None).texts["folder"] == ""


def test_secrets_are_covered_as_long_as_they_are() -> None:
    assert masked("A=1 TOKEN=abc X_PASSWORD='a b'") == "A=1 TOKEN=••• X_PASSWORD=•••••"
    assert masked("TOKEN=") == "TOKEN="


@asynccontextmanager
async def form_of(
    jobs: FakeJobs, size: tuple[int, int] = (80, 24)
) -> AsyncGenerator[tuple[GpuBoxApp, Pilot[None], list[JobSpec | None]]]:
    """Show the form with KNOWN, over a box."""
    got: list[JobSpec | None] = []
    app = make_app(employ(equip(make_box(training_box()), FakeEnvs()), jobs))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: complete(app))
        await until(pilot, lambda: "Looking" not in app.export_screenshot())
        app.push_screen(JobForm(KNOWN, None, "New job"), got.append)
        await until(pilot, lambda: isinstance(app.screen, JobForm) and app.screen.focused)
        yield app, pilot, got


async def test_a_job_is_written_by_keyboard_alone() -> None:
    async with form_of(FakeJobs()) as (app, pilot, got):
        await pilot.press("down")
        assert app.screen.query_one("#field-command", Input).value == "python train.py --epochs 30"
        await pilot.press("down", "up", "up")
        assert app.screen.query_one("#field-command", Input).value == ""
        await pilot.press(*"smi")
        assert "nvidia-smi -l 1" in app.screen.query_one("#choices", LineView).plain
        assert "train.py" not in app.screen.query_one("#choices", LineView).plain
        await pilot.press("down", "tab", "tab", "tab")
        assert "python (pid 812, bob, 642 MiB)" in app.screen.query_one("#choices", LineView).plain
        await pilot.press("down", "down")
        assert app.screen.query_one("#field-gpus", Input).value == "none"
        await pilot.press("enter")
        await until(pilot, lambda: got)
        assert got[0] is not None
        assert got[0].argv == ("nvidia-smi", "-l", "1")
        assert got[0].gpus.mode == "none"


async def test_keys_that_come_at_once_reach_the_fields_that_they_were_typed_into() -> None:
    async with form_of(FakeJobs()) as (app, pilot, got):
        burst(app, *"true", "tab", *"one", "tab", "tab", "tab", *"night", "enter")
        await until(pilot, lambda: got)
        assert got[0] is not None
        assert (got[0].argv, got[0].cwd.endswith("one"), got[0].name) == (("true",), True, "night")


async def test_what_is_wrong_gets_the_keyboard_and_escape_starts_nothing() -> None:
    async with form_of(FakeJobs()) as (app, pilot, got):
        await pilot.press(*"true", "tab", "tab", "x", "enter")
        await until(pilot, lambda: app.screen.focused is app.screen.query_one("#field-env"))
        assert not got
        await pilot.press("escape")
        await until(pilot, lambda: got == [None])


async def test_no_secret_is_painted() -> None:
    async with form_of(FakeJobs()) as (app, pilot, _):
        for _ in range(5):
            await pilot.press("tab")
        await pilot.press(*"TOKEN", "equals_sign", *"s3cret")
        strips = app.screen._compositor.render_strips()
        text = "\n".join(strip.text for strip in strips)
        assert "TOKEN=••••••" in text
        assert "s3cret" not in text


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_picture_of_the_form(
    size: tuple[int, int], clock: Clock, snapshot: SnapshotAssertion
) -> None:
    async with form_of(FakeJobs(*ALL), size) as (app, pilot, _):
        await pilot.press(*"python train.py", "tab", "tab", "tab")
        await steady(pilot)
        same_picture(app, snapshot)
