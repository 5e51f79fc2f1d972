"""Where settings come from, and what is said about those that cannot be used."""

import json
from pathlib import Path

import msgspec
import pytest

from gpubox.config.files import Loaded, load
from gpubox.config.settings import BoxEntry, Settings
from gpubox.core.errors import ConfigError
from tests.drawable import drawable


def read(
    folder: Path, text: str, environment: dict[str, str] | None = None, flags: tuple[str, ...] = ()
) -> Loaded:
    """Load a settings file with this text."""
    file = folder / "gpubox.toml"
    file.write_text(text)
    return load(file, environment=environment or {}, flags=flags)


def lines(loaded: Loaded) -> list[str]:
    """What is said about the settings."""
    return [str(problem) for problem in loaded.problems]


def test_without_a_file_everything_is_at_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    loaded = load(environment={})
    assert (loaded.settings, loaded.exists, loaded.problems) == (Settings(), False, ())
    assert loaded.path.is_relative_to(tmp_path)
    assert loaded.path.parts[-2:] == ("gpubox-tui", "gpubox.toml")


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    text = "[probe]\ninterval = 2.0\ntop_processes = 3\ncommand_lines = false\n"
    loaded = read(
        tmp_path,
        text,
        {"GPUBOX_PROBE_INTERVAL": "3", "GPUBOX_PROBE_TOP_PROCESSES": "7"},
        flags=("probe.interval=4",),
    )
    probe = loaded.settings.probe
    assert (probe.interval, probe.top_processes, probe.command_lines) == (4.0, 7, False)
    assert not loaded.problems


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("GPUBOX_PROBE_COMMAND_LINES", "false", ("probe", "command_lines"), False),
        ("GPUBOX_HISTORY_KEEP", "0", ("history", "keep"), False),
        ("GPUBOX_UI_HISTORY_MINUTES", "15", ("ui", "history_minutes"), 15),
        ("GPUBOX_UI_THEME", "nord", ("ui", "theme"), "nord"),
        ("GPUBOX_THRESHOLDS_DISK", "70, 80", ("thresholds", "disk"), (70.0, 80.0)),
        ("GPUBOX_JOBS_EXCLUDE", '["0", "GPU-1"]', ("jobs", "exclude"), ("0", "GPU-1")),
        ("GPUBOX_JOBS_EXCLUDE", "[0", ("jobs", "exclude"), ("[0",)),
    ],
)
def test_every_type_can_come_from_the_environment(
    tmp_path: Path, variable: str, text: str, path: tuple[str, str], value: object
) -> None:
    loaded = read(tmp_path, "", {variable: text})
    assert not loaded.problems
    assert getattr(getattr(loaded.settings, path[0]), path[1]) == value


def test_other_variables_are_nobodys_business(tmp_path: Path) -> None:
    others = {"GPUBOX_NVML_LIB": "/x", "GPUBOX_LOG": "y", "GPUBOX_": "", "PROBE_INTERVAL": "z"}
    assert not read(tmp_path, "", others).problems


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[probe]\ninterval = 0.1", "[probe]: `interval` is 0.1; expected a number from 0.5 to 60"),
        ("[probe]\ninterval = nan", "[probe]: `interval` is nan; expected a number from 0.5 to 60"),
        ("[probe]\ntop_processes = 2.5", "expected a whole number from 0 to 100"),
        ("[probe]\ncommand_lines = 1", "`command_lines` is 1; expected true or false"),
        ("[probe]\nintervals = 1", "`intervals` is not a setting; expected one of interval, top_processes"),
        ("[probe]\nintervals = 1", "(did you mean `interval`?)"),
        ("[prob]\n", "`prob` is not a table; expected one of ui, probe"),
        ("[prob]\n", "(did you mean `probe`?)"),
        ("probe = 3", "`probe` is 3; expected a table [probe]"),
        (
            '[ui]\ntemperature_unit = "celsiuss"',
            "expected one of celsius, fahrenheit (did you mean `celsius`?)",
        ),
        ("[ui]\nhistory_minutes = 7", "expected one of 1, 5, 15, 60"),
        ("[ui]\ntheme = 3", "`theme` is 3; expected text in quotes"),
        ("[thresholds]\nmemory = [97, 90]", "warn not above alarm"),
        ("[thresholds]\nmemory = [90]", "expected [warn, alarm]: each a number from 0 to 100"),
        ("[thresholds]\ndisk = [1, 1000]", "expected [warn, alarm]: each a number from 0 to 100"),
        ('[keys]\n"app.quit" = 3', '[keys] "app.quit" is 3; expected a key such as "k"'),
        ("keys = 1", "expected a table [keys]"),
        ("box = 1", "expected [[box]] tables"),
        ("box = [1]", "[[box]] number 1: is 1; expected a table"),
        ('[[box]]\nname = "a"\n[[box]]\nname = "b"\nprot = 1', "[[box]] number 2: `prot` is not a setting"),
        ('[[box]]\nname = "a"\n[[box]]\nname = "b"\nprot = 1', "(did you mean `port`?)"),
        ('[[box]]\nname = "a"\nport = 99999', "[[box]] number 1: `port` is 99999; expected a whole number"),
        ('[[box]]\nhost = "a"', "[[box]] number 1: has no `name`"),
        ('[[box]]\nname = "a b"', "expected 1 to 64 characters without a blank or a slash"),
        ('[[box]]\nname = "demo"', "which is built in"),
        ('[[box]]\nname = "a"\n[[box]]\nname = "a"', 'number 2: `name` is "a", which an earlier [[box]] has'),
        ("[ui\n", "is not valid TOML"),
        ("a = 1\na = 2\n", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    loaded = read(tmp_path, text)
    assert len(loaded.problems) == 1
    assert str(tmp_path / "gpubox.toml") in lines(loaded)[0]
    assert said in lines(loaded)[0]
    assert "\n" not in lines(loaded)[0]


def test_what_is_right_beside_it_still_counts(tmp_path: Path) -> None:
    text = '[probe]\ninterval = 99\ntop_processes = 3\n[[box]]\nname = "a"\n[[box]]\nname = "b"\nprot = 1\n'
    loaded = read(tmp_path, text)
    assert loaded.settings.probe == msgspec.structs.replace(Settings().probe, top_processes=3)
    assert [box.name for box in loaded.settings.box] == ["a"]
    assert len(loaded.problems) == 2


def test_a_box_comes_with_all_of_its_fields(tmp_path: Path) -> None:
    box = BoxEntry(
        name="attic",
        host="10.0.0.7",
        user="ada",
        port=2222,
        identity="~/k",
        jump="g",
        python="/p",
        tunnels=("8888", "db=5433:db:5432"),
    )
    table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in msgspec.structs.asdict(box).items())
    assert read(tmp_path, f"[[box]]\n{table}\n").settings.box == (box,)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('["8888", "70000"]', '`tunnels`: `70000`: "70000" is not a valid port'),
        ('"8888"', '`tunnels` is "8888"; expected a list of texts'),
    ],
)
def test_a_box_with_a_tunnel_that_is_none_is_left_out(tmp_path: Path, value: str, said: str) -> None:
    loaded = read(tmp_path, f'[[box]]\nname = "attic"\ntunnels = {value}\n')
    assert loaded.settings.box == ()
    assert said in lines(loaded)[0]


def test_a_file_that_is_no_text_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "gpubox.toml"
    file.write_bytes(b"[ui]\ntheme = '\xff'")
    assert "is not UTF-8" in lines(load(file, environment={}))[0]


def test_a_folder_in_place_of_the_file_is_reported(tmp_path: Path) -> None:
    loaded = load(tmp_path, environment={})
    assert loaded.settings == Settings()
    assert "cannot be read: Is a directory" in lines(loaded)[0]


def test_a_file_named_on_purpose_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such settings file"):
        load(tmp_path / "none.toml", environment={})
    with pytest.raises(ConfigError, match="No such settings file"):
        load(environment={"GPUBOX_CONFIG": str(tmp_path / "none.toml")})


@pytest.mark.parametrize("flag", ["probe.interval", "interval=2", "prob.interval=2", "probe.interval=x"])
def test_a_wrong_flag_stops_the_program(tmp_path: Path, flag: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        read(tmp_path, "", flags=(flag,))


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    loaded = read(tmp_path, '"\\u001b[2J" = 1\n[ui]\ntemperature_unit = "\\u001b]0;x\\u0007"\n')
    assert len(loaded.problems) == 2
    assert all(drawable(line) for line in lines(loaded))
