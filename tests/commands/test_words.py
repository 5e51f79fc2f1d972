"""What the words of the command line mean."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from gpubox import cli
from gpubox.commands import panel
from gpubox.commands.common import Common
from gpubox.config.files import Loaded
from gpubox.core.target import Target
from gpubox.ssh import openssh_config as ssh
from tests.commands.run import ROOT, apart, environment, here
from tests.hang import LIMIT


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Target], Loaded, Common]]:
    """What the panel would have been opened with, in a terminal."""
    calls: list[tuple[list[Target], Loaded, Common]] = []

    def note(loaded: Loaded, targets: list[Target], common: Common) -> int:
        calls.append((targets, loaded, common))
        return 0

    monkeypatch.setattr(panel, "has_terminal", lambda: True)
    monkeypatch.setattr(panel, "_open", note)
    return calls


Opened = list[tuple[list[Target], Loaded, Common]]


@pytest.mark.parametrize(
    ("words", "boxes"),
    [
        ([], []),
        (["panel"], []),
        (["demo"], ["demo"]),
        (["local"], ["local"]),
        (["ada@10.0.0.7:2222"], ["ada@10.0.0.7:2222"]),
        (["panel", "demo"], ["demo"]),
        (["panel", "status.lan"], ["status.lan"]),
        (["--set", "probe.interval=2", "demo"], ["demo"]),
        (["demo", "--set", "probe.interval=2"], ["demo"]),
    ],
)
def test_the_first_word_is_a_box_unless_it_is_a_command(
    opened: Opened, words: list[str], boxes: list[str]
) -> None:
    ran = here(*words)
    assert (ran.status, ran.err) == (0, "")
    assert [[target.name for target in targets] for targets, _, _ in opened] == [boxes]


def test_a_box_that_is_called_like_a_command_can_be_opened(opened: Opened, home: Path) -> None:
    file = home / "boxes.toml"
    file.write_text('[[box]]\nname = "status"\n[[box]]\nname = "config"\n')
    for name in ("status", "config"):
        assert here("--config", str(file), "panel", name).status == 0
    assert [targets[0].name for targets, _, _ in opened] == ["status", "config"]
    assert {targets[0].source for targets, _, _ in opened} == {"settings"}


def test_options_count_before_and_after_the_command(opened: Opened, home: Path) -> None:
    file, log = home / "my.toml", home / "my.log"
    file.write_text("[probe]\ntop_processes = 4\n")
    options = ["--config", str(file), "--log", str(log), "--set", "probe.interval=2"]
    here(*options, "demo")
    here("demo", *options)
    here("--config", str(file), "panel", "demo", "--log", str(log), "--set", "probe.interval=2")
    assert len(opened) == 3
    for _, loaded, common in opened:
        assert (loaded.path, common.log) == (file, log)
        assert (loaded.settings.probe.interval, loaded.settings.probe.top_processes) == (2.0, 4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status"], "Missing argument"),
        (["status", "demo", "--watch", "0"], "0.0 is not in the range"),
        (["status", "demo", "--wacth", "1"], "No such option"),
        (["statsu", "demo"], "No such command 'statsu' (did you mean `status`?)"),
        (["demo", "local"], "No such command 'demo'"),
        (["--nonsense"], "No such option"),
        (["a b"], "Not the name of a box"),
        (["-oProxyCommand=x"], "No such option"),
        (["panel", "--", "-oProxyCommand=x"], "Not the name of a box"),
        (["status", "demo", "a b"], "Not the name of a box"),
        (["--set", "nonsense", "demo"], "expected SECTION.KEY=VALUE"),
        (["--config", "/nonexistent/x.toml", "demo"], "No such settings file"),
        (["config", "nonsense"], "No such command"),
    ],
)
def test_wrong_words_end_with_2_and_say_why(opened: Opened, words: list[str], said: str) -> None:
    ran = here(*words)
    assert (ran.status, ran.out, opened) == (2, "", [])
    assert said in ran.err


def test_without_a_terminal_there_is_nothing_to_pick_from() -> None:
    ran = apart()
    assert ran.status == 2
    assert "no terminal" in ran.err


def test_a_terminal_that_cannot_move_its_cursor_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpubox.commands.common import has_terminal

    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert has_terminal()
    monkeypatch.setenv("TERM", "dumb")
    assert not has_terminal()


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], ["status", "--help"], ["config", "--help"], ["panel", "-h"], ["--version"]]
)
def test_help_and_version_load_neither_the_screen_nor_ssh(words: list[str]) -> None:
    code = (
        "import sys; from gpubox import cli; status = cli.run(sys.argv[1:]);"
        "heavy = {'textual', 'rich', 'asyncssh', 'asyncio', 'msgspec', 'sqlite3', 'logging'};"
        "heavy.add('gpubox.commands.run');"
        "print(sorted(heavy & set(sys.modules)), status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        env=environment(),
        timeout=LIMIT,
        check=True,
    )
    heavy = "['logging']" if words == ["--version"] else "[]"
    assert done.stdout.decode().splitlines()[-1] in (f"{heavy} 0", "[] 0")
    assert len(done.stdout) > 15


def completed(words: Sequence[str], incomplete: str) -> list[str]:
    """What Tab offers."""
    shell = ShellComplete(cli.cli, {}, "gpubox-tui", "_GPUBOX_TUI_COMPLETE")
    return [item.value for item in shell.get_completions(list(words), incomplete)]


def test_tab_offers_boxes_and_commands(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / ".config" / "gpubox-tui"
    folder.mkdir(parents=True)
    (folder / "gpubox.toml").write_text('[[box]]\nname = "attic"\n')
    (home / ".ssh").mkdir()
    (home / ".ssh" / "config").write_text("Host lab1 *.example\n")
    monkeypatch.setattr(ssh, "home", lambda: home)  # ssh does not ask HOME
    assert set(completed([], "")) == {*cli.cli.commands, "attic", "lab1", "local", "demo"}
    assert completed(["status"], "la") == ["lab1"]
    assert completed(["status", "lab1"], "att") == ["attic"]
    assert completed(["panel"], "de") == ["demo"]
    assert completed([], "--ver") == ["--version"]


def test_tab_with_a_broken_settings_file_still_offers_what_it_can(home: Path) -> None:
    folder = home / ".config" / "gpubox-tui"
    folder.mkdir(parents=True)
    (folder / "gpubox.toml").write_text("[[[")
    assert "demo" in completed([], "de")


def test_tab_works_from_a_shell() -> None:
    ran = apart(_GPUBOX_TUI_COMPLETE="bash_complete", COMP_WORDS="gpubox-tui status de", COMP_CWORD="2")
    assert (ran.status, ran.out.split(), ran.err) == (0, ["plain,demo"], "")


def test_the_module_runs_as_the_program_does() -> None:
    assert apart("--help").out == here("--help").out
    assert (ROOT / "tui" / "gpubox" / "__main__.py").is_file()


def test_a_box_that_is_opened_by_its_address_is_in_the_list_of_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpubox.ui.app import GpuBoxApp

    listed: list[list[str]] = []

    def note(app: GpuBoxApp) -> None:
        listed.append([target.name for target in app.targets])

    monkeypatch.setattr(panel, "has_terminal", lambda: True)
    monkeypatch.setattr(GpuBoxApp, "run", note)
    assert here("ada@10.0.0.7:2222").status == 0
    assert listed == [["ada@10.0.0.7:2222", "local", "demo"]]
