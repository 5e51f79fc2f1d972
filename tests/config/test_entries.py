"""Boxes and jobs of one's own: a wrong one is left out and reported in words, and the others stand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.config.entries import box_of, job_of
from gpubox.config.expect import InvalidSetting, value_of
from gpubox.config.files import load
from gpubox.config.settings import BoxEntry, JobEntry, JobSettings, Settings
from tests.config.test_files import lines, read
from tests.drawable import drawable

TOP = "gpubox.toml: [[job]] number 1"
TRAIN: dict[str, object] = {"name": "train", "command": "python train.py {size}"}


def said(table: dict[str, object], taken: tuple[str, ...] = ()) -> str:
    """What is said about a job that cannot be used."""
    job, problems = job_of({**TRAIN, **table}, TOP, taken)
    assert job is None
    (problem,) = problems
    assert problem.hint == "The job is left out until that is put right"
    return problem.text


def test_a_job_of_ones_own_is_read_whole(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        '[[job]]\nname = "train"\ntitle = "Train"\nabout = "It trains."\ncommand = "train {size}"\n'
        'gpus = "2"\nfolder = "~/x"\nlimit = "2h30m"\nresults = ["*.pt"]\n'
        'variables = { size = "3" }\nenvironment = { A = "b" }\n',
    )
    assert not loaded.problems
    assert loaded.settings.job == (
        JobEntry(
            name="train", title="Train", about="It trains.", command="train {size}", gpus="2", folder="~/x",
            limit="2h30m", results=("*.pt",), variables={"size": "3"}, environment={"A": "b"},
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"name": "Train It"}, '`name` is "Train It"; expected 1 to 64 small letters, digits and dashes'),
        ({"name": "-x"}, "small letters"),
        ({"command": ""}, '`command` is ""; expected text in quotes that is not empty'),
        ({"command": 3}, "`command` is 3; expected text in quotes"),
        ({"results": "*.pt"}, 'a list of texts in quotes, such as ["one", "two"]'),
        ({"variables": ["size"]}, 'a table of texts in quotes, such as { name = "text" }'),
        ({"environment": {"A": 1}}, "a table of texts in quotes"),
        ({"color": "red"}, "`color` is not a setting; expected one of name, title"),
        ({"commands": "x"}, "did you mean `command`?"),
    ],
)
def test_what_is_wrong_with_a_job_is_reported(table: dict[str, object], words: str) -> None:
    assert words in said(table)


def test_a_job_needs_a_name_of_its_own_and_a_command() -> None:
    assert "which an earlier [[job]] has already" in said({}, ("train",))
    job, problems = job_of({}, TOP)
    assert job is None
    assert [problem.text for problem in problems] == [
        f"{TOP}: has no `name`; expected what you call the job",
        f"{TOP}: has no `command`; expected the command to run",
    ]


def test_wrong_entries_are_left_out_and_the_others_stand(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        '[[job]]\nname = "a"\ncommand = "x"\n[[job]]\nname = "b"\n[[box]]\nname = "xub"\n'
        '[[box]]\nname = "local"\n[[job]]\nname = "c"\ncommand = "y"\n',
    )
    assert [job.name for job in loaded.settings.job] == ["a", "c"]
    assert [box.name for box in loaded.settings.box] == ["xub"]
    assert sorted(line.split(": ")[1] for line in lines(loaded)) == ["[[box]] number 2", "[[job]] number 2"]


def test_what_is_no_list_of_tables_is_reported(tmp_path: Path) -> None:
    assert "expected [[job]] tables" in lines(read(tmp_path, "job = 3\n"))[0]
    assert "expected [[job]] tables" in lines(read(tmp_path, '[job]\nname = "x"\n'))[0]
    assert "expected a table" in lines(read(tmp_path, "job = [3]\n"))[0]


def test_a_box_that_is_built_in_or_has_a_wrong_tunnel_is_left_out() -> None:
    for name in ("local", "demo"):
        box, problems = box_of({"name": name}, "here")
        assert box is None
        assert "which is built in" in problems[0].text
    box, problems = box_of({"name": "xub", "tunnels": ["8888", "a:b:c:d"]}, "here")
    assert box is None
    assert "`tunnels`:" in problems[0].text


def test_settings_of_jobs_come_from_the_environment_too(tmp_path: Path) -> None:
    variables = {
        "GPUBOX_JOBS_EXCLUDE": "0, GPU-1",
        "GPUBOX_JOBS_GPUS": "2",
        "GPUBOX_JOBS_NOTIFY_COMMAND": "tell",
        # A program of ours may be started by a job, or by its notify_command.
        "GPUBOX_JOB": "20261123-120000-abcd",
        "GPUBOX_JOB_NAME": "train",
        "GPUBOX_BOX": "xub",
    }
    loaded = read(tmp_path, "", variables)
    assert not loaded.problems
    assert loaded.settings.jobs == JobSettings(exclude=("0", "GPU-1"), gpus=2, notify_command="tell")
    assert load(tmp_path / "gpubox.toml", environment={}, flags=("jobs.exclude=",)).settings == Settings()


def words_for(kind: object) -> str:
    """What is said of a text that fits no pattern; nothing where any text does."""
    try:
        value_of("\0 ", kind)
    except InvalidSetting as wrong:
        return str(wrong)
    return ""


def test_each_pattern_of_a_setting_is_reported_in_words() -> None:
    kinds = [field.type for field in msgspec.structs.fields(Settings)]
    tables = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    found = {
        setting.name: words_for(setting.type)
        for table in (*tables, BoxEntry, JobEntry)
        for setting in msgspec.structs.fields(table)
    }
    assert "width and height" in found["geometry"]
    assert "on one line" in found["session"]
    assert not [name for name, words in found.items() if "None" in words]


@given(
    st.dictionaries(
        st.sampled_from([*msgspec.structs.asdict(JobEntry(name="a")), "other"]),
        st.one_of(
            st.text(), st.integers(), st.lists(st.text()), st.dictionaries(st.text(), st.text()), st.none()
        ),
    )
)
def test_nothing_in_a_table_stops_the_program(table: dict[str, object]) -> None:
    job, problems = job_of(table, TOP)
    assert (job is None) == bool(problems)
    for problem in problems:
        assert drawable(str(problem))
