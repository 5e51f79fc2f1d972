"""What is done to environments in the panel: jobs that are launched, and what is reported of their ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.widgets import Input, Static

from gpubox.boxes.envs import operations
from gpubox.core.env import Env, Envs, Sight
from gpubox.core.errors import RemoteError
from gpubox.core.job import JobSpec
from gpubox.core.record import Ending
from tests.ui.envs import ROOT, TF_CPU, FakeEnvs, envs_of, fill, toasts
from tests.ui.fakes import until

pytestmark = pytest.mark.usefixtures("clock")


async def test_a_new_environment_is_made_by_a_job_whose_end_is_reported() -> None:
    envs = FakeEnvs(TF_CPU)
    async with envs_of(envs) as (stage, pilot, jobs):
        await pilot.press("n")
        await until(pilot, lambda: stage.screen.query("#what"))
        await fill(stage, pilot, name="cats", what="python=3.12 numpy")
        await until(pilot, lambda: jobs.launched)
        assert jobs.launched[0].argv == ("create", "cats", "conda", "", "python=3.12", "numpy")
        assert jobs.launched[0].id in toasts(stage)
        await until(pilot, lambda: "Create cats …" in stage.text)
        looks = envs.looks
        jobs.put(jobs.launched[0].id, state="ended", ending=Ending("exit", code=0))
        await until(pilot, lambda: envs.looks > looks)
        await pilot.pause()
        assert "Done" not in toasts(stage)  # the app tells it, as of every job


async def test_a_job_that_fails_says_how_and_where_its_log_is() -> None:
    async with envs_of(FakeEnvs(TF_CPU)) as (stage, pilot, jobs):
        await pilot.press("g")
        await until(pilot, lambda: jobs.launched)
        jobs.write(jobs.launched[0].id, b"Collecting cats\nno such package\n\n")
        jobs.put(jobs.launched[0].id, state="ended", ending=Ending("exit", code=1))
        await until(pilot, lambda: "exit 1 (no such package); its log says more" in toasts(stage))


async def test_what_it_sees_is_reported_as_soon_as_it_answered() -> None:
    envs = FakeEnvs(TF_CPU)
    async with envs_of(envs) as (stage, pilot, jobs):
        await pilot.press("g")
        await until(pilot, lambda: jobs.launched)
        job = jobs.launched[0].id
        sight = Sight(at=1.0, job=job, sees=False, words="its list of GPUs is empty")
        envs.feed.put(Envs(envs=(replace(TF_CPU, sight=sight),)))
        jobs.put(job, state="ended", ending=Ending("exit", code=1))
        await until(pilot, lambda: "It sees no GPU: its list of GPUs is empty" in toasts(stage))
        assert "its log says more" not in toasts(stage)


async def test_an_export_is_fetched_and_where_it_is_reported() -> None:
    async with envs_of(FakeEnvs(TF_CPU)) as (stage, pilot, jobs):
        await pilot.press("E")
        await until(pilot, lambda: jobs.launched)
        job = jobs.launched[0].id
        jobs.put(job, state="ended", ending=Ending("exit", code=0))
        await until(pilot, lambda: f"Its file is in /results/{job} here" in toasts(stage))


async def test_a_name_that_cannot_be_typed_is_typed_as_it_is_shown() -> None:
    odd = replace(TF_CPU, name="two\nlines")
    async with envs_of(FakeEnvs(odd), answers=["two lines"]) as (_, pilot, jobs):
        await pilot.press("x")
        await until(pilot, lambda: jobs.launched)
        assert jobs.launched[0].argv == ("remove", "two\nlines")


async def test_what_cannot_be_made_is_said_at_its_field_and_nothing_typed_is_lost() -> None:
    envs = FakeEnvs(TF_CPU)

    def nothing(*_: object, **__: object) -> JobSpec:
        raise RemoteError("No conda on the box", "xub has no conda", "Make a venv")

    envs.create = nothing
    async with envs_of(envs, (80, 24)) as (stage, pilot, jobs):
        await pilot.press("n")
        await until(pilot, lambda: stage.screen.query("#what"))
        for fields, field, words in (
            ({"name": "a/b c"}, "name", "a/b c: a name begins with"),
            ({"name": "cats", "what": "'numpy"}, "what", "a quote is not closed"),
            ({"what": "@/nowhere.yml"}, "what", "/nowhere.yml: [Errno 2]"),
            ({"what": "numpy", "kind": "snake"}, "kind", "The kind is one of"),
            ({"kind": "venv"}, "where", "It needs the folder"),
            ({"kind": "conda"}, "kind", "xub has no conda. Make a venv"),
        ):
            await fill(stage, pilot, **fields)
            await until(pilot, lambda: stage.screen.query(".wrong.-shown"))
            (wrong,) = stage.screen.query(".wrong.-shown").results(Static)
            assert (wrong.id, words in str(wrong.content)) == (f"wrong-{field}", True)
            assert stage.screen.focused is stage.screen.query_one(f"#{field}")
        assert stage.screen.query_one("#name", Input).value == "cats"
        assert not jobs.launched


async def test_the_kind_that_the_box_can_make_is_taken_first() -> None:
    async with envs_of(FakeEnvs(TF_CPU, roots=[replace(ROOT, tool="")])) as (stage, pilot, _):
        await pilot.press("n")
        await until(pilot, lambda: stage.screen.query("#what"))
        assert stage.screen.query_one("#kind", Input).value == "venv"


@pytest.mark.parametrize("key", ["x", "R"])
async def test_a_base_is_refused_before_anything_is_asked(key: str) -> None:
    envs = FakeEnvs(replace(TF_CPU, base=True))
    async with envs_of(envs, answers=["never asked"]) as (stage, pilot, jobs):
        envs.remove = operations.remove
        await pilot.press(key)
        await until(pilot, lambda: "is the installation itself" in toasts(stage))
        assert not stage.asked
        assert not jobs.launched


async def test_a_change_made_elsewhere_is_looked_at_when_its_job_ends() -> None:
    envs = FakeEnvs(TF_CPU)
    async with envs_of(envs) as (_, pilot, jobs):
        other = JobSpec(id="20261123-150000-else", argv=("conda",), changes=(TF_CPU.prefix,))
        await jobs.launch(other)
        await pilot.pause()
        looks = envs.looks
        jobs.put(other.id, state="ended", ending=Ending("exit", code=0))
        await until(pilot, lambda: envs.looks > looks)


async def test_requirements_make_a_venv(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("numpy\n")
    async with envs_of(FakeEnvs(TF_CPU)) as (stage, pilot, jobs):
        await pilot.press("n")
        await until(pilot, lambda: stage.screen.query("#what"))
        await fill(stage, pilot, name="cats", what=f"@{file}", kind="venv", where="~/p")
        await until(pilot, lambda: jobs.launched)
        assert jobs.launched[0].argv == ("create-from", "cats", "venv", "~/p", "numpy\n")


async def test_a_file_and_a_copy_make_one_too(tmp_path: Path) -> None:
    yml = tmp_path / "env.yml"
    yml.write_text("dependencies: [numpy]\n")
    async with envs_of(FakeEnvs(TF_CPU)) as (stage, pilot, jobs):
        await pilot.press("n")
        await until(pilot, lambda: stage.screen.query("#what"))
        await fill(stage, pilot, name="cats", what=f"@{yml}")
        await until(pilot, lambda: len(jobs.launched) == 1)
        assert jobs.launched[0].argv == ("create-from", "cats", "conda", "", "dependencies: [numpy]\n")
        await pilot.press("C")
        await until(pilot, lambda: stage.screen.query("#what"))
        await fill(stage, pilot, name="copy")
        await until(pilot, lambda: len(jobs.launched) == 2)
        assert jobs.launched[1].argv == ("clone", "tf-cpu", "copy")


async def test_a_venv_with_blanks_in_its_name_is_copied_though_another_one_is_called_so() -> None:
    other = Env("/w/one/my cats", "my cats", "venv")
    mine = Env("/w/two/my cats", "my cats", "venv", packages=3)
    envs = FakeEnvs(other, mine)
    copied: list[Env] = []
    clone = envs.clone
    envs.clone = lambda env, name: (copied.append(env), clone(env, name))[1]
    async with envs_of(envs) as (stage, pilot, jobs):
        await pilot.press("end", "C")
        await until(pilot, lambda: stage.screen.query("#what"))
        await fill(stage, pilot, name="copy")
        await until(pilot, lambda: jobs.launched)
        assert {env.prefix for env in copied} == {mine.prefix}


async def test_packages_may_be_quoted_as_in_a_shell() -> None:
    async with envs_of(FakeEnvs(TF_CPU), answers=["'numpy>=2' scipy"]) as (stage, pilot, jobs):
        await pilot.press("i")
        await until(pilot, lambda: jobs.launched)
        assert jobs.launched[0].argv == ("install", "tf-cpu", "numpy>=2", "scipy")
    async with envs_of(FakeEnvs(TF_CPU), answers=["'numpy"]) as (stage, pilot, _):
        await pilot.press("i")
        await until(pilot, lambda: "a quote is not closed" in toasts(stage))


async def test_the_form_says_what_is_missing_and_stays() -> None:
    async with envs_of(FakeEnvs(TF_CPU)) as (stage, pilot, jobs):
        await pilot.press("n")
        await until(pilot, lambda: stage.screen.query("#what"))
        await fill(stage, pilot, name="cats", kind="venv")
        assert "needs the folder of its project" in str(
            stage.screen.query_one("#wrong-where", Static).render()
        )
        await fill(stage, pilot, kind="wheel")
        assert "The kind is one of" in str(stage.screen.query_one("#wrong-kind", Static).render())
        assert not jobs.launched


@pytest.mark.parametrize(("typed", "gone"), [("tf-cpu", True), ("tf-gpu", False), (None, False)])
async def test_only_the_typed_name_removes_an_environment(typed: str | None, gone: bool) -> None:
    async with envs_of(FakeEnvs(TF_CPU), answers=[typed]) as (stage, pilot, jobs):
        await pilot.press("x")
        await until(pilot, lambda: stage.asked)
        assert stage.asked[0].danger
        await until(pilot, lambda: bool(jobs.launched) is gone)
        assert [spec.argv for spec in jobs.launched] == ([("remove", "tf-cpu")] if gone else [])


@pytest.mark.parametrize(
    ("key", "answer", "argv"),
    [
        ("i", "numpy scipy", ("install", "tf-cpu", "numpy", "scipy")),
        ("R", "cats", ("rename", "tf-cpu", "cats")),
        ("E", None, ("export", "tf-cpu")),
    ],
)
async def test_keys_launch_what_they_say(key: str, answer: str | None, argv: tuple[str, ...]) -> None:
    async with envs_of(FakeEnvs(TF_CPU), answers=[answer]) as (_, pilot, jobs):
        await pilot.press(key)
        await until(pilot, lambda: jobs.launched)
        assert jobs.launched[0].argv == argv
