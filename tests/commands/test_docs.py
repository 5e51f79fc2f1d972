"""What README.md and docs/ say is what the program does."""

import re
import shlex
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from gpubox import cli
from gpubox.boxes.monitor import MonitorStatus, OutletStatus
from gpubox.boxes.tunnels.tunnel import Tunnel
from gpubox.commands import desktop, env_report, job_report, monitor_report, services, tunnel_hold
from gpubox.commands.report import SCHEMA, BoxReading, FoundWords, Words
from gpubox.common.metrics import GPU, HOST, recorded
from gpubox.common.rules.table import judge_fault
from gpubox.config.files import SECTIONS, fields, load
from gpubox.config.schema import descriptions
from gpubox.config.settings import PER_BOX, BoxEntry, JobEntry
from gpubox.core import sample
from gpubox.core.env import Build, Env
from gpubox.core.job import JobSpec
from gpubox.core.record import Ending, GpuPlace, GpuUse, Record, Usage
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.keymap import everything
from tests.commands.run import ROOT
from tests.ui.channels import JUPYTER, MINE

TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
}
README, KEYS_PAGE = TEXTS["README.md"], "docs/keys.md"
RECORD = Record("1", "queued", JobSpec("1", ("true",)), 0.0)
LONGEST = {"README.md": 200, "ARCHITECTURE.md": 150}
"""Lines that a page may have."""
KEYS = {"slash": "/", "minus": "-", "plus": "+", "comma": ",", "less_than_sign": "<"}
KEYS["greater_than_sign"] = ">"
"""Keys that Unicode calls something else, or whose names are one word."""
PLACES = {
    "app": "everywhere",
    "alerts": "Alerts",
    "box": "box",
    "replay": "recording",
    "picker": "list of boxes",
    "gpus": "GPUs",
    "processes": "Processes",
    "host": "Host",
    "history": "History",
    "tunnels": "Tunnels",
    "desktop": "Desktop",
    "envs": "Environments",
    "jobs": "Jobs",
    "log": "Log of a job",
}


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command that a page shows."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            command = line.partition(" | ")[0]
            words = shlex.split(command.removeprefix(".venv/bin/"), comments=True)
            if words and words[0] in ("gpubox-tui", "make"):
                yield words


def rows(page: str, head: str) -> dict[str, list[str]]:
    """The rows of the table of a page whose first row begins with `head`, by their first cell."""
    text = TEXTS[f"docs/{page}.md"]
    table = re.search(rf"^\| {re.escape(head)} \|.*\n\|-.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table is not None, f"docs/{page}.md has no table of {head}"
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]
    return {row[0]: row for row in cells}


def names(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


ALL = sorted({tuple(words) for text in TEXTS.values() for words in commands(text)})


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_exists(words: tuple[str, ...]) -> None:
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    command: click.Command = cli.cli
    rest = list(words[1:])
    while isinstance(command, click.Group):
        context = click.Context(command)
        rest = rest[sum(isinstance(each, click.Argument) for each in command.params) :]
        _, found, rest = command.resolve_command(context, rest) if rest else (None, None, [])
        if found is None:
            return
        command = found
    context = command.make_context(command.name, list(rest))
    assert not context.args


def test_both_commands_to_begin_with_come_first() -> None:
    assert list(commands(README))[:2] == [["make", "demo"], ["make", "test"]]
    assert len(ALL) > 40


def test_the_readme_opens_with_a_picture() -> None:
    picture = re.match(r"!\[[^\]]+\]\((screenshots/[^)]+\.svg)\)", README)
    assert picture is not None
    assert (ROOT / picture[1]).is_file()


@pytest.mark.parametrize("page", LONGEST)
def test_a_page_that_is_read_first_is_short(page: str) -> None:
    assert 40 < len(TEXTS[page].splitlines()) <= LONGEST[page]


def test_what_the_architecture_names_is_there() -> None:
    text = TEXTS["ARCHITECTURE.md"]
    package = ROOT / "tui" / "gpubox"
    named = set(re.findall(r"`((?:\w+/)+[\w.]*)`", text)) | set(re.findall(r"`(\w+\.\w+)`", text))
    rooms = {path.name for path in package.iterdir()}
    paths = {name if "/" in name else name.replace(".", "/") for name in named}
    ours = {path for path in paths if path.partition("/")[0] in rooms and "<" not in path}
    assert len(ours) > 20
    missing = [path for path in ours if not any(package.glob(f"{path.rstrip('/')}*"))]
    assert missing == []


def anchors(text: str) -> set[str]:
    """The anchors that a forge makes of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_leads_to_a_file_and_a_heading_of_it(page: str) -> None:
    broken: list[str] = []
    for link in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        place, _, anchor = link.partition("#")
        if "://" in place:
            continue
        file = (ROOT / page).parent / place if place else ROOT / page
        name = file.resolve().relative_to(ROOT.resolve()).as_posix()
        if not file.is_file() or (anchor and anchor not in anchors(TEXTS[name])):
            broken.append(link)
    assert broken == []


def test_the_settings_are_those_of_the_code() -> None:
    listed = rows("settings", "setting")
    expected: dict[str, list[str]] = {}
    for section, kind in SECTIONS.items():
        for name, info in fields(kind).items():
            default: object = info.default
            shown = (
                str(list(default)) if isinstance(default, tuple) else msgspec.json.encode(default).decode()
            )
            key = f"`{section}.{name}`"
            expected[key] = [key, f"`{shown}`", descriptions()[kind.__name__][name]]
    assert listed == expected


def test_the_example_of_a_box_names_every_field_of_its_own() -> None:
    own = (name for name in BoxEntry.__struct_fields__ if name not in PER_BOX)
    assert example("box") == tuple(own)


def test_the_example_of_overrides_can_be_used(tmp_path: Path) -> None:
    heading = "## Settings of one box, or of a tag"
    block = re.search(rf"{heading}\n.*?```toml\n(.*?)```", TEXTS["docs/settings.md"], re.DOTALL)
    assert block is not None
    (file := tmp_path / "gpubox.toml").write_text(block[1])
    loaded = load(file, environment={})
    assert not loaded.problems
    assert all(f"`{section}`" in TEXTS["docs/settings.md"] for section in PER_BOX)
    assert set(loaded.settings.box[0].tags) == set(loaded.settings.tag)


def test_the_example_of_a_job_names_only_fields() -> None:
    assert set(example("job")) < set(JobEntry.__struct_fields__)


def example(table: str) -> tuple[str, ...]:
    """The keys of the example of one `[[table]]` of the settings."""
    text = TEXTS["docs/settings.md"]
    block = re.search(rf"```toml\n\[\[{table}\]\]\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return tuple(re.findall(r"^(\w+) =", block[1], re.MULTILINE))


STRUCTS = {
    "field": BoxReading,
    "`findings[]`": FoundWords,
    "`sample`": sample.Sample,
    "`sample.gpus[]`": sample.Gpu,
    "`sample.processes[]`": sample.Process,
    "`sample.host`": sample.Host,
    "`sample.driver`": sample.Driver,
    "`sample.faults[]`": sample.Fault,
    "`sample.probe`": sample.Cost,
    "`spec`": JobSpec,
    "`ending`": Ending,
    **{"`usage`": Usage, "`jobs[].gpus[]`": GpuUse},
    "`gpus[]`": GpuPlace,
    "`builds[]`": Build,
}


@pytest.mark.parametrize(("head", "struct"), STRUCTS.items(), ids=STRUCTS)
def test_the_json_fields_are_those_of_the_code(head: str, struct: type[msgspec.Struct]) -> None:
    listed = [name for cell in rows("json", head) for name in names(cell)]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(struct.__struct_fields__)


@pytest.mark.parametrize(
    ("struct", "head", "cell"),
    [
        (Words, "field", "`error`"),
        (sample.Disk, "`sample.host`", "`disks`"),
        (OutletStatus, "`monitor`", "`outlets`"),
        (sample.RemappedRows, "`sample.gpus[]`", "`remapped_rows`"),
        (sample.MigInstance, "`sample.gpus[]`", "`mig`, `mig_instances`"),
    ],
)
def test_inner_objects_are_explained(struct: type[msgspec.Struct], head: str, cell: str) -> None:
    assert set(names(rows("json", head)[cell][1])) == set(struct.__struct_fields__)


@pytest.mark.parametrize(
    ("head", "fields"),
    [
        ("`desktops[]`", desktop.to_json(MINE)),
        ("`services[]`", services.to_json(JUPYTER)),
        ("`jobs[]`", job_report.to_json(RECORD)),
        ("`monitor`", monitor_report.to_json(MonitorStatus(0.0), old=False)),
        ("`envs[]`", env_report.to_json(Env("/e", "e", "venv"), None)),
        ("a tunnel", {**tunnel_hold.to_json(Tunnel(1, "x", None)), "schema": 1, "box": "", "url": ""}),
    ],
)
def test_the_json_of_what_is_listed_is_explained(head: str, fields: dict[str, object]) -> None:
    listed = [name for cell in rows("json", head) for name in names(cell)]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(fields)


@pytest.mark.parametrize(("keys", "of"), [("gpu/UUID", GPU), ("host", HOST)])
def test_the_metrics_are_those_of_the_table(keys: str, of: str) -> None:
    listed = [cells[:3] for key, cells in rows("json", "`metrics` by key").items() if keys in key]
    assert listed == [[f"`{keys}/{row.name}`", row.unit, row.help] for row in recorded(of)]


def test_the_schema_number_is_given() -> None:
    assert rows("json", "field")["`schema`"][1] == str(SCHEMA)


def test_every_fault_is_listed_by_its_title_and_its_code() -> None:
    codes = names(rows("json", "`sample.faults[]`")["`code`"][1])
    titles = {finding.title for code in codes for finding in judge_fault(sample.Fault(code=code))}
    assert len(titles) == len(codes)
    assert titles <= set(rows("troubleshooting", "it says"))


def character(key: str) -> str:
    """The character of a key, such as `?` for `question_mark`; its name where there is none."""
    return KEYS.get(key) or (unicodedata.lookup(key.replace("_", " ")) if "_" in key else key)


def keys() -> Iterator[str]:
    """The rows of the table of keys, as the program has them.

    Keys of windows that ask or explain stand in those windows.
    """
    for entry in everything(GpuBoxApp).values():
        name = f"`{entry.id}`"
        shown = " ".join(f"`{character(key)}`" for key in entry.keys)
        does = entry.tooltip
        if re.fullmatch(r"box\.panel[2-9]", entry.id) or entry.modal:
            continue
        if entry.id == "box.panel1":
            shown, does, name = "`1` … `9`", "Move to a panel by its number", "`box.panel1` … `box.panel9`"
        yield f"| {shown} | {PLACES[entry.id.partition('.')[0]]} | {does} | {name} |"


HEAD = "| key | where | does | name |\n|---|---|---|---|\n"


def test_the_table_of_keys_is_the_programs() -> None:
    table = "\n".join(keys())
    assert f"{HEAD}{table}\n" in TEXTS[KEYS_PAGE], "rewrite it with: python -m tests.commands.test_docs"


if __name__ == "__main__":
    before, _, _ = TEXTS[KEYS_PAGE].partition(HEAD)
    (ROOT / KEYS_PAGE).write_text(f"{before}{HEAD}{chr(10).join(keys())}\n")
