"""The facts of sshd over trees of files, with a stand-in for sshd where its answer matters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gpubox.remote.checks import sshd, sshd_process
from gpubox.remote.checks.sshd_config import MatchedLogin, fits, matches, split

MAIN = "/etc/ssh/sshd_config"
CLOUD = "/etc/ssh/sshd_config.d/50-cloud-init.conf"
LOGIN = MatchedLogin("ada", ["ada", "video"], "192.0.2.7", "198.51.100.1", "22")
UNITS = """Id=ssh.service
LoadState=loaded
ActiveState=active
UnitFileState=disabled
NeedDaemonReload=no

Id=sshd.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
NeedDaemonReload=no

Id=ssh.socket
LoadState=loaded
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=yes
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A box with nothing but an sshd that answers no question, seen by a plain user."""
    monkeypatch.setenv("GPUBOX_ROOT", str(tmp_path / "root"))
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    (tmp_path / "root").mkdir()
    stand_in(tmp_path, monkeypatch, "sshd", "echo OpenSSH_9.2p1 Debian-2, OpenSSL >&2; [ $1 = -V ]")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return tmp_path / "root"


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """Put a program before all others of its name."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def lay(root: Path, **files: str) -> None:
    for path, text in files.items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_text(text)


def setting(facts: dict[str, Any], keyword: str) -> tuple[str, ...]:
    """Return value and place for this login, then for everyone."""
    row = facts["settings"].get(keyword, {})
    return tuple(row.get(name, "") for name in ("value", "where", "general", "general_where"))


def test_the_first_value_wins_with_its_file_and_line(root: Path) -> None:
    lay(root, **{
        MAIN: "# main\nInclude /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication yes\nUsePAM yes\n",
        CLOUD: "PasswordAuthentication no\n",
        "/etc/ssh/sshd_config.d/99-late.conf": "passwordauthentication=yes\n",
    })  # fmt: skip
    facts = sshd.gather()
    assert setting(facts, "passwordauthentication") == ("no", f"{CLOUD}:1") * 2
    assert setting(facts, "usepam")[1] == f"{MAIN}:4"
    assert (facts["include"], facts["before_include"]) == (f"{MAIN}:2", [])
    assert facts["drop_ins"] == ["50-cloud-init.conf", "99-late.conf"]
    assert (facts["exact"], facts["readable"], facts["version"]) == (False, True, "9.2")


def test_what_the_main_file_sets_before_its_include_is_named(root: Path) -> None:
    lay(root, **{MAIN: "X11Forwarding no\nInclude sshd_config.d/*.conf\n", CLOUD: "X11Forwarding yes\n"})
    facts = sshd.gather()
    assert facts["include"] == f"{MAIN}:2"
    assert facts["before_include"] == ["x11forwarding"]
    assert setting(facts, "x11forwarding")[0] == "no"


def test_a_match_ends_with_its_file(root: Path) -> None:
    lay(root, **{
        MAIN: "Include /etc/ssh/sshd_config.d/*.conf\nMaxSessions 4\n",
        CLOUD: "Match User nobody\nMaxSessions 1\n",
    })  # fmt: skip
    facts = sshd.gather()
    assert setting(facts, "maxsessions")[2:] == ("4", f"{MAIN}:2")
    assert facts["overrides"] == [
        {"keyword": "maxsessions", "value": "1", "match": "User nobody", "where": f"{CLOUD}:2"}
    ]


def test_match_all_wins_over_lines_before(root: Path) -> None:
    lay(root, **{MAIN: "MaxSessions 2\nUsePAM no\nMatch all\nMaxSessions 1\nUsePAM yes\n"})
    facts = sshd.gather()
    assert setting(facts, "maxsessions") == ("1", f"{MAIN}:4") * 2
    assert setting(facts, "usepam")[0] == "no"
    assert facts["overrides"] == []


def test_a_match_by_what_is_unknown_leaves_its_keywords_open(root: Path) -> None:
    lay(root, **{MAIN: "Match Address 10.0.0.0/8\nX11Forwarding no\n"})
    assert sshd.gather()["undecided"] == ["x11forwarding"]


def test_a_file_that_cannot_be_read_is_named_with_what_came_before_it(root: Path) -> None:
    lay(root, **{MAIN: "MaxSessions 4\nInclude /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n"})
    (root / CLOUD.lstrip("/")).mkdir(parents=True)  # to read a folder fails for root, too
    facts = sshd.gather()
    assert facts["hidden"] == [CLOUD]
    assert facts["before_hidden"] == ["maxsessions"]


def test_a_main_file_that_cannot_be_read_leaves_nothing_known(root: Path) -> None:
    (root / MAIN.lstrip("/")).mkdir(parents=True)
    facts = sshd.gather()
    assert (facts["readable"], facts["hidden"], facts["settings"]) == (False, [MAIN], {})


def test_files_that_include_each_other_end(root: Path) -> None:
    lay(root, **{MAIN: f"Include {MAIN}\nInclude {MAIN}\nMaxSessions 3\n"})
    assert setting(sshd.gather(), "maxsessions")[0] == "3"


def nothing(_program: str) -> str:
    """Return where a program is on a box that has none."""
    return ""


def test_a_box_without_sshd_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUBOX_ROOT", str(tmp_path))
    monkeypatch.setattr(sshd.commands, "which", nothing)
    facts = sshd.gather()
    assert (facts["installed"], facts["version"], facts["listens"], facts["units"]) == (False, "", None, [])


def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: str) -> dict[str, Any]:
    """Return the facts that root gathers from an sshd with these answers."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    script = f'[ "$1" = -V ] && {{ echo OpenSSH_9.9p1 >&2; exit; }}\necho "$*" >>{tmp_path}/asked\n{answers}'
    stand_in(tmp_path, monkeypatch, "sshd", script)
    return sshd.gather()


def test_root_gets_what_sshd_itself_prints(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(root, **{MAIN: "MaxSessions 5\nMatch User nobody\nMaxSessions 1\n"})
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 40000 198.51.100.1 22")
    sessions = 'case "$*" in *user=*) echo maxsessions 7;; *) echo maxsessions 5;; esac'
    answers = f"{sessions}; echo hostkey a; echo hostkey b"
    facts = asked(tmp_path, monkeypatch, answers)
    assert facts["exact"]
    assert setting(facts, "maxsessions") == ("7", f"{MAIN}:1", "5", f"{MAIN}:1")
    assert setting(facts, "hostkey")[0] == "a b"
    first = (tmp_path / "asked").read_text().splitlines()[0]
    assert first.startswith(f"-T -f {root}{MAIN} -C user=")
    assert first.endswith("host=192.0.2.7,addr=192.0.2.7,laddr=198.51.100.1,lport=22,rdomain=")


def test_a_match_by_port_does_not_hide_the_settings_of_everyone(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(root, **{MAIN: "MaxSessions 5\nMatch LocalPort 2222\nMaxSessions 1\n"})
    answers = 'case "$*" in *lport=*) echo maxsessions 1; echo usepam yes;; *) exit 255;; esac'
    facts = asked(tmp_path, monkeypatch, answers)
    assert setting(facts, "maxsessions")[::2] == ("1", "5")
    assert setting(facts, "usepam")[::2] == ("yes", "yes")


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ("echo Missing privilege separation directory: /run/sshd >&2; exit 255",
         "Missing privilege separation directory: /run/sshd"),
        (f"echo {MAIN}: line 1: Bad configuration option: Foo >&2\n"
         f"echo {MAIN}: terminating, 1 bad configuration options >&2; exit 255",
         f"{MAIN}: line 1: Bad configuration option: Foo"),
        ("exit 3", "sshd ended with status 3"),
    ],
)  # fmt: skip
def test_what_keeps_sshd_from_answering_is_its_own_word(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: str, error: str
) -> None:
    lay(root, **{MAIN: "MaxSessions 5\n"})
    facts = asked(tmp_path, monkeypatch, answers)
    assert (facts["exact"], facts["error"]) == (False, error)
    assert setting(facts, "maxsessions")[0] == "5"


def test_a_new_sshd_answers_a_plain_user(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(root, **{MAIN: ""})
    script = '[ "$1" = -V ] && { echo OpenSSH_9.3p1 >&2; exit; }\n[ "$1" = -G ] && echo maxsessions 6'
    stand_in(tmp_path, monkeypatch, "sshd", script)
    assert setting(sshd.gather(), "maxsessions")[0] == "6"


def test_units_of_systemd_are_read(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "units").write_text(UNITS)
    stand_in(tmp_path, monkeypatch, "systemctl", f"cat {tmp_path}/units")
    monkeypatch.setattr(sshd.commands, "has_systemd", lambda: True)
    facts = sshd.gather()
    assert facts["init"] == "systemd"
    assert facts["units"] == [
        {"name": "ssh.service", "active": True, "file_state": "disabled", "reload": False},
        {"name": "ssh.socket", "active": True, "file_state": "enabled", "reload": True},
    ]


def process(root: Path, pid: int, parent: int, name: str, title: str, *, uid: int = 0) -> None:
    status = f"Name:\t{name}\nPid:\t{pid}\nPPid:\t{parent}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
    lay(root, **{
        f"/proc/{pid}/status": status,
        f"/proc/{pid}/cmdline": title.replace(" ", "\0"),
        f"/proc/{pid}/comm": f"{name}\n",
    })  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "kind", "config", "listens"),
    [
        ([(9, "sshd", "sshd: ada [priv]"), (8, "sshd", "sshd: /usr/sbin/sshd -f /srv/ssh.conf [listener]")],
         "sshd", "/srv/ssh.conf", True),
        ([(9, "sshd-session", "sshd-session: ada [priv]"), (8, "sshd", "sshd: /usr/sbin/sshd -D [listener]")],
         "sshd", "", True),
        ([(9, "sshd", "sshd: ada [priv]"), (1, "systemd", "/sbin/init")], "sshd", "", False),
        ([(9, "dropbear", "/usr/sbin/dropbear -F"), (1, "init", "/sbin/init")], "dropbear", "", False),
        ([(9, "bash", "-bash"), (1, "sshd", "/usr/sbin/sshd -D -fother")], "sshd", "other", True),
        ([(9, "bash", "vi /usr/sbin/sshd -f /x"), (1, "init", "/sbin/init")], "", "", False),
    ],
)  # fmt: skip
def test_the_server_that_let_us_in_is_found(
    root: Path, rows: list[tuple[int, str, str]], kind: str, config: str, listens: bool
) -> None:
    pids = [os.getppid(), *(pid for pid, _, _ in rows)]
    process(root, pids[0], pids[1], "sh", "sh -c x", uid=1000)
    for (pid, name, title), parent in zip(rows, [*pids[2:], 0], strict=True):
        process(root, pid, parent, name, title)
    if pids[-1] != 1:
        process(root, 1, 0, "init", "/sbin/init")
    above = sshd_process.ancestors()
    server = sshd_process.server(above)
    assert (server.kind, server.config) == (kind, config)
    assert sshd_process.listens(above) is listens


def test_a_process_of_somebody_else_cannot_name_a_file_for_root(root: Path) -> None:
    process(root, os.getppid(), 0, "sshd", "sshd: /tmp/sshd -f /etc/shadow -oPort=1", uid=1234)
    assert sshd_process.server(sshd_process.ancestors()) == ("sshd", "", [], [])


def test_options_of_the_command_line_come_first(root: Path) -> None:
    lay(root, **{MAIN: "MaxSessions 5\n"})
    title = "sshd: /usr/sbin/sshd -D -o MaxSessions=2 -oUsePAM=no [listener] 0 of 10-100"
    process(root, os.getppid(), 0, "sshd", title)
    facts = sshd.gather()
    assert setting(facts, "maxsessions")[:2] == ("2", "command line")
    assert setting(facts, "usepam")[0] == "no"


@pytest.mark.parametrize(
    ("criteria", "result"),
    [
        ("User ada", True), ("User=ada", True), ("User a?a", True), ("User bob,!ada", False),
        ("Group video", True), ("Group !video,*", False), ("Address 192.0.2.0/24 LocalPort 22", True),
        ("Address ::/0", False), ("Address 192.0.2.0/99", False), ("Host gpu.example.org", None),
        ("Command x", None), ("Command x User bob", False), ("Invalid-User", False), ("User", False),
    ],
)  # fmt: skip
def test_the_criteria_of_a_match_are_compared(criteria: str, result: bool | None) -> None:
    assert matches(criteria.split(), LOGIN) is result


def test_a_pattern_of_many_stars_is_quick() -> None:
    assert not fits("a" * 200, "*a" * 100 + "*b")  # a regular expression would take for ages


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  MaxSessions  3 # few", ["MaxSessions", "3"]), ("MaxSessions=3", ["MaxSessions", "3"]),
        ('Banner "/etc/my banner"', ["Banner", "/etc/my banner"]), ("# x y", []), ("", []),
        ("\x00\ud7ff=", ["\x00\ud7ff="]),
    ],
)  # fmt: skip
def test_a_line_is_split_as_sshd_splits_it(line: str, words: list[str]) -> None:
    assert split(line) == words
