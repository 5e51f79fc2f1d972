"""Settings of one box: its [[box]] beats its tags, and those the rest of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.config.entries import box_of
from gpubox.config.files import load
from gpubox.config.reload import SettingsFile
from gpubox.config.resolve import forced, resolved
from gpubox.config.settings import PER_BOX, BoxEntry, Overrides, Settings
from tests.config.test_files import lines, read
from tests.drawable import drawable

SECTION = "[jobs]\ngpus = 2\n"
TAGS = "[tag.lab.jobs]\ngpus = 3\n[tag.big.jobs]\ngpus = 4\n"
OWN = "[box.jobs]\ngpus = 5\n"
ENVIRONMENT = {"GPUBOX_JOBS_GPUS": "6"}
FLAGS = ("jobs.gpus=7",)


def box(tags: str = "", own: str = "") -> str:
    """The [[box]] of one box."""
    return f'[[box]]\nname = "attic"\ntags = [{tags}]\n{own}'


@pytest.mark.parametrize(
    ("text", "environment", "flags", "gpus"),
    [
        (box(), {}, (), 1),
        (box() + SECTION, {}, (), 2),
        (box() + SECTION + TAGS, {}, (), 2),
        (box('"lab"') + SECTION + TAGS, {}, (), 3),
        (box('"lab", "big"') + SECTION + TAGS, {}, (), 4),
        (box('"big", "lab"') + SECTION + TAGS, {}, (), 3),
        (box('"lab", "none"') + SECTION + TAGS, {}, (), 3),
        (box('"lab", "big"', OWN) + SECTION + TAGS, {}, (), 5),
        (box('"lab", "big"', OWN) + SECTION + TAGS, ENVIRONMENT, (), 6),
        (box('"lab", "big"') + SECTION + TAGS, ENVIRONMENT, (), 6),
        (box('"lab", "big"', OWN) + SECTION + TAGS, ENVIRONMENT, FLAGS, 7),
        (box('"lab", "big"', OWN) + SECTION + TAGS, {}, FLAGS, 7),
    ],
)
def test_the_nearest_to_the_box_counts_and_the_environment_and_flags_beat_all(
    tmp_path: Path, text: str, environment: dict[str, str], flags: tuple[str, ...], gpus: int
) -> None:
    loaded = read(tmp_path, text, environment, flags)
    assert not loaded.problems
    assert resolved(loaded.settings, "attic").jobs.gpus == gpus


def test_keys_that_are_not_overridden_come_from_the_next_layer(tmp_path: Path) -> None:
    text = (
        box('"lab"', "[box.jobs]\nexclude = ['0']\n[box.thresholds]\ndisk = [50, 60]\n")
        + "[jobs]\ngrace = 3\n[tag.lab.jobs]\ngpus = 3\n[tag.lab.desktop]\ndepth = 16\n"
    )
    settings = read(tmp_path, text, {"GPUBOX_JOBS_GPUS": "6"}).settings
    own = resolved(settings, "attic")
    assert (own.jobs.exclude, own.jobs.grace, own.jobs.gpus) == (("0",), 3.0, 6)
    assert (own.desktop.depth, own.desktop.geometry, own.limits.disk) == (16, "1600x900", (50.0, 60.0))
    assert (own.ui, own.box, own.tag) == (settings.ui, settings.box, settings.tag)


@pytest.mark.parametrize("name", ["alias", "ada@attic", "local", "demo"])
def test_what_is_no_box_of_ones_own_has_the_plain_settings(tmp_path: Path, name: str) -> None:
    settings = read(tmp_path, box('"lab"', OWN) + TAGS).settings
    assert resolved(settings, name) == settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            box(own="[box.jobs]\ngpu = 1"),
            "[[box]] number 1, [box.jobs]: `gpu` is not a setting; expected one",
        ),
        (box(own="[box.jobs]\ngpu = 1"), "(did you mean `gpus`?)"),
        (box(own="[box.jobs]\ngpus = 99"), "`gpus` is 99; expected a whole number from 0 to 64"),
        (
            box(own="[box.ui]\ntheme = 'x'"),
            "number 1, [box.ui]: is not a table of a box or tag; expected one",
        ),
        (box(own="[box.job]\ngpus = 1"), "expected one of probe, ssh, thresholds"),
        (box(own="[box.job]\ngpus = 1"), "(did you mean `jobs`?)"),
        (box(own="jobs = 3"), "[[box]] number 1, [box.jobs]: is 3; expected a table"),
        (box() + "[tag.lab.jobs]\ngrace = 'x'", '[tag.lab.jobs]: `grace` is "x"; expected a number from 0'),
        (box() + "[tag.lab.history]\ndays = 1", "[tag.lab.history]: is not a table of a box or tag"),
        (box() + "[tag.lab]\nprobe = 1", "[tag.lab.probe]: is 1; expected a table"),
        (box() + "[tag]\nlab = 1", "[tag] `lab` is 1; expected tables such as [tag.lab.jobs]"),
        (box() + "[tag.'a b'.jobs]\ngpus = 1", '[tag] "a b" is not the name of a tag; expected 1 to 64'),
        (box() + '[tag."lab\\n".jobs]\ngpu = 1', "is not the name of a tag; expected 1 to 64 letters"),
        ("tag = 1\n" + box(), "`tag` is 1; expected tables such as [tag.lab.jobs]"),
    ],
)
def test_a_wrong_override_is_left_out_and_reported_and_the_box_stays(
    tmp_path: Path, text: str, said: str
) -> None:
    loaded = read(tmp_path, text)
    (line,) = lines(loaded)
    assert said in line
    assert "It is left out" in line
    assert "\n" not in line
    assert [entry.name for entry in loaded.settings.box] == ["attic"]
    own = resolved(loaded.settings, "attic")
    assert all(getattr(own, section) == getattr(Settings(), section) for section in PER_BOX)


def test_what_is_right_beside_a_wrong_override_counts(tmp_path: Path) -> None:
    loaded = read(tmp_path, box(own="[box.jobs]\ngpus = 99\ngrace = 3\n[box.probe]\ninterval = 5"))
    own = resolved(loaded.settings, "attic")
    assert (own.jobs.gpus, own.jobs.grace, own.probe.interval) == (1, 3.0, 5.0)


def test_a_tag_that_no_box_has_is_nothing_to_report_and_a_wrong_name_of_one_is(tmp_path: Path) -> None:
    assert not read(tmp_path, TAGS).problems
    (line,) = lines(read(tmp_path, box('"a b"')))
    assert "each 1 to 64 letters, digits, dashes and underscores" in line


def test_new_boxes_and_tags_are_taken_while_the_program_runs(tmp_path: Path) -> None:
    path = tmp_path / "gpubox.toml"
    started = read(tmp_path, box('"lab"') + TAGS, flags=("probe.interval=4",)).settings
    file = SettingsFile(path, lambda: load(path, environment={}, flags=("probe.interval=4",)))
    path.write_text(box('"lab", "new"', "[box.probe]\ninterval = 9\n") + "[tag.new.jobs]\ngpus = 8\n")
    settings, problems = file.with_new_boxes(started)
    own = resolved(settings, "attic")
    assert (own.jobs.gpus, own.probe.interval, set(settings.tag), problems) == (8, 4.0, {"new"}, ())
    path.write_text("[tag.new.jobs")  # half written by an editor
    settings, problems = file.with_new_boxes(settings)
    assert resolved(settings, "attic").jobs.gpus == 8
    assert len(problems) == 1


@given(
    st.dictionaries(
        st.sampled_from([*PER_BOX, "ui", "job"]),
        st.dictionaries(
            st.sampled_from(["gpus", "interval", "disk", "folders", "depth", "other"]),
            st.one_of(st.text(), st.integers(), st.floats(), st.lists(st.text()), st.none()),
        ),
    )
)
def test_nothing_in_an_override_takes_the_box_away(table: dict[str, object]) -> None:
    entry, problems = box_of({"name": "attic", **table}, "here")
    assert entry is not None
    resolved(Settings(box=(entry,)), "attic")
    for problem in problems:
        assert drawable(str(problem))


def test_what_a_command_forces_beats_boxes_and_tags() -> None:
    box = BoxEntry(name="attic", tags=("lab",), probe={"interval": 9, "top_processes": 3})
    settings = Settings(box=(box,), tag={"lab": Overrides(probe={"interval": 8})})
    probe = resolved(forced(settings, {"probe": {"interval": 0.5}}), "attic").probe
    assert (probe.interval, probe.top_processes) == (0.5, 3)
