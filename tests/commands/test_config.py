"""`gpubox-tui config`."""

import json
import tomllib
from pathlib import Path

from gpubox.config.edit import template
from gpubox.config.files import load
from gpubox.config.settings import BoxEntry
from tests.commands.run import here
from tests.house.tree import ROOT


def file_in(home: Path) -> Path:
    """Where the settings file is when nobody says otherwise."""
    return home / ".config" / "gpubox-tui" / "gpubox.toml"


def test_path_reports_where_the_file_would_be(home: Path) -> None:
    assert here("config", "path").out == f"{file_in(home)}\n"
    assert not file_in(home).exists()


def test_show_prints_what_is_in_force(home: Path) -> None:
    ran = here("--set", "probe.interval=3", "config", "show")
    assert (ran.status, ran.err) == (0, "")
    assert tomllib.loads(ran.out)["probe"]["interval"] == 3.0


def test_show_says_what_is_wrong_and_prints_the_rest(home: Path) -> None:
    file = home / "my.toml"
    file.write_text("[probe]\ninterval = 99\ntop_processes = 2\n")
    ran = here("config", "show", "--config", str(file))
    assert ran.status == 1
    assert "expected a number from 0.5 to 60" in ran.err
    assert tomllib.loads(ran.out)["probe"] == {"interval": 1.0, "top_processes": 2, "command_lines": True}


def test_show_of_a_box_prints_what_is_in_force_for_it(home: Path) -> None:
    file = home / "my.toml"
    file.write_text(
        '[jobs]\ngrace = 5.0\n[[box]]\nname = "attic"\ntags = ["lab"]\n[box.jobs]\ngpus = 2\n'
        "[tag.lab.ssh]\nkeepalive = 9.0\n"
    )
    shown = {
        box: tomllib.loads(here("config", "show", box, "--config", str(file)).out) for box in ("attic", "x")
    }
    jobs = {box: (table["jobs"]["grace"], table["jobs"]["gpus"]) for box, table in shown.items()}
    assert jobs == {"attic": (5.0, 2), "x": (5.0, 1)}
    assert [table["ssh"]["keepalive"] for table in shown.values()] == [9.0, 2.0]


def test_init_writes_the_template_once(home: Path) -> None:
    ran = here("config", "init")
    assert (ran.status, ran.out) == (0, "Wrote ~/.config/gpubox-tui/gpubox.toml\n")
    assert file_in(home).read_text() == template()
    ran = here("config", "init")
    assert ran.status == 2
    assert "is there already" in ran.err


def test_init_goes_where_the_option_says(home: Path) -> None:
    assert here("config", "init", "--config", str(home / "x.toml")).status == 0
    assert (home / "x.toml").read_text() == template()


def test_add_writes_a_box_of_your_own(home: Path) -> None:
    ran = here("config", "add", "attic", "ada@10.0.0.7:2222", "--identity", "~/.ssh/attic", "--jump", "gate")
    assert (ran.status, ran.err) == (0, "")
    assert "gpubox-tui attic" in ran.out
    box = BoxEntry(name="attic", host="10.0.0.7", user="ada", port=2222, identity="~/.ssh/attic", jump="gate")
    assert load(file_in(home), environment={}).settings.box == (box,)


def test_add_refuses_what_cannot_be_a_box(home: Path) -> None:
    for words in (["a b"], ["demo"], ["attic", "ada@"], ["attic", "-oProxyCommand=x"]):
        ran = here("config", "add", "--", *words)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err
    assert not file_in(home).exists()


def test_schema_is_json_schema() -> None:
    schema = json.loads(here("config", "schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["$defs"]["BoxEntry"]["properties"]["port"]["maximum"] == 65535


def test_the_files_for_monitoring_are_those_of_the_repository(home: Path) -> None:
    ran = here("config", "monitoring", str(home / "new" / "files"))
    assert (ran.status, ran.err) == (0, "")
    written = {path.relative_to(home / "new/files") for path in (home / "new/files").rglob("*.*")}
    shipped = {path.relative_to(ROOT / "config") for path in (ROOT / "config").glob("*/*.*")}
    assert written == {path for path in shipped if path.parts[0] != "jobs" and path.suffix != ".md"}
    for path in written:
        assert (home / "new/files" / path).read_bytes() == (ROOT / "config" / path).read_bytes()
    refused = here("config", "monitoring", "/dev/null/x")
    assert refused.status == 2
    assert "Name a folder that you may write" in refused.err
