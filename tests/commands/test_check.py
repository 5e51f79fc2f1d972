"""`gpubox-tui check`, run as a program and on results of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Check, Outcome, Result, failed, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.run import Judged
from gpubox.commands.check_report import Form, exit_status, report, to_json
from tests.commands.run import apart
from tests.commands.test_docs import names, rows
from tests.drawable import drawable

HOSTILE = "\x1b]0;owned\x07 [/b] | <b> \u202e"


def judged(name: str, result: Result) -> Judged:
    return Judged(Check(name, f"{name} is right", "Why.", "ls", (), lambda _: result), result)


ROWS = [
    judged("login.key", ok("There is one", value="1")),
    judged("sshd.passwords", warning("Anybody may guess", "Set PasswordAuthentication no", value="yes")),
    judged("sshd.root-login", failed(f"Bad {HOSTILE}", HOSTILE, details=(HOSTILE,))),
    judged("web.server", not_here("No web server runs")),
]


def printed(rows: list[Judged], form: Form | None = None) -> list[str]:
    return list(report({"box": rows}, form or Form()))


def test_results_stand_by_group_with_what_to_do() -> None:
    lines = printed(ROWS[:2])
    assert lines[0] == "Login"
    assert lines[1].split() == ["ok", "login.key", "is", "right", "There", "is", "one"]
    assert lines[2:4] == ["", "SSH server"]
    assert lines[4].split()[0] == "warning"
    assert lines[5].strip() == "→ Set PasswordAuthentication no"
    assert lines[-1] == "1 warning, 1 ok"


def test_text_of_a_box_reaches_the_terminal_clean() -> None:
    for form in (Form(), Form(markdown=True), Form(as_json=True)):
        assert all(drawable(line) for line in printed(ROWS, form))
    for model in ("", "box"):
        assert all(drawable(line) for line in report({"box": ROWS, HOSTILE: ROWS[:2]}, Form(), model=model))


def test_text_of_a_box_is_no_markdown() -> None:
    (row,) = (line for line in printed(ROWS, Form(markdown=True)) if "root" in line)
    assert "\\[/b\\] \\| \\<b\\>" in row
    assert row.replace("\\|", "").count("|") == 5


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([ok("")], 0),
        ([ok(""), hint("", ""), not_here("")], 0),
        ([unknown("")], 3),
        ([unknown(""), warning("", "")], 1),
        ([unknown(""), warning("", ""), failed("", "")], 2),
        ([], 0),
    ],
)
def test_the_exit_status_is_the_worst_result(results: list[Result], status: int) -> None:
    assert exit_status([judged("system.x", result) for result in results]) == status


def test_several_boxes_are_a_table_and_what_is_wrong() -> None:
    other = [judged("sshd.passwords", ok("None", value="no")), judged("web.server", not_here("None"))]
    lines = list(report({"a": ROWS, "b": other}, Form()))
    assert lines[0].split() == ["CHECK", "a", "b"]
    table = {line.split()[0]: line.split()[1:] for line in lines[1:4]}
    assert table["login.key"] == ["ok", "1", "–"]
    assert table["sshd.passwords"] == ["warning", "yes", "ok", "no"]
    assert "web.server" not in table, "it is on no box"
    assert [line.split(":")[0].split() for line in lines[5:]] == [
        ["a"],
        ["warning", "sshd.passwords"],
        ["failed", "sshd.root-login"],
    ]


def test_beside_a_model_only_differences_are_shown() -> None:
    good = [judged("sshd.passwords", ok("None", value="no")), judged("system.reboot", ok("None"))]
    bad = [ROWS[1], judged("system.reboot", ok("Other words for the same"))]
    lines = list(report({"good": good, "bad": bad}, Form(), model="good"))
    assert [line.split()[0] for line in lines] == ["CHECK", "sshd.passwords"]
    assert list(report({"good": good, "same": good}, Form(), model="good")) == ["All are set up as good is"]


def test_the_demo_box_is_checked() -> None:
    ran = apart("check", "demo", "--json", "--only", "system")
    assert ran.status in (0, 1, 2, 3)
    assert ran.err == ""
    reported = json.loads(ran.out)
    assert reported["box"] == "demo"
    assert [row["id"] for row in reported["checks"]] == [
        one.id for one in all_checks() if one.group == "system"
    ]
    assert {row["outcome"] for row in reported["checks"]} <= {outcome.value for outcome in Outcome}


def test_the_json_of_a_check_is_explained() -> None:
    fields: object = to_json(ROWS)["checks"]
    assert isinstance(fields, list)
    listed = [name for cell in rows("json", "`checks[]`") for name in names(cell)]
    assert sorted(listed) == sorted(fields[0])


def test_all_checks_are_listed_without_a_box() -> None:
    ran = apart("check", "--list")
    assert (ran.status, ran.err) == (0, "")
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == [one.id for one in all_checks()]


def test_a_box_that_is_not_reached_is_reported_and_hides_no_other() -> None:
    ran = apart("check", "ada@127.0.0.1:1", "demo", "system.reboot", "--set", "ssh.connect_timeout=5")
    assert ran.err.startswith("ada@127.0.0.1:1: Connection refused")
    assert "No reboot is pending" in ran.out
    assert apart("check", "ada@127.0.0.1:1", "--set", "ssh.connect_timeout=5").status == 3


def test_a_tag_stands_for_its_boxes(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[[box]]\nname = "a"\nhost = "127.0.0.1"\nport = 1\ntags = ["lab"]\n')
    ran = apart("check", "@lab", "system.reboot", "--config", str(file))
    assert (ran.status, ran.out.strip()) == (3, "")
    assert ran.err.startswith("a: Connection refused")
    ran = apart("check", "@labs", "system.reboot", "--config", str(file))
    assert ran.status == 2
    assert "No box has the tag labs" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check"], "name a box"),
        (["check", "demo", "--only", "cudaa"], "neither a check nor a group (did you mean `cuda`?)"),
        (["check", "demo", "--skip", "x.y"], "neither a check nor a group"),
    ],
)
def test_a_slip_on_the_command_line_is_reported(words: list[str], said: str) -> None:
    ran = apart(*words)
    assert ran.status == 2
    assert said in ran.err
