"""What README.md says is what the program does."""

import re
import shlex
from collections.abc import Iterator

import click
import msgspec
import pytest

from gpubox import cli
from gpubox.boxes.tunnels.tunnel import Tunnel
from gpubox.commands import services, tunnel_hold
from gpubox.commands.desktop import _told
from gpubox.commands.report import SCHEMA, BoxReading, Words
from gpubox.config.files import SECTIONS, fields
from gpubox.config.schema import descriptions
from gpubox.config.settings import BoxEntry
from gpubox.core import faults, sample
from gpubox.ui.keys import everything
from tests.commands.run import ROOT
from tests.ui.channels import JUPYTER, MINE

TEXT = (ROOT / "README.md").read_text()
KEYS = {
    "question_mark": "?",
    "slash": "/",
    "minus": "-",
    "plus": "+",
    "equals_sign": "=",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}
PLACES = {
    "app": "everywhere",
    "box": "box",
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


def commands() -> Iterator[list[str]]:
    """The words of every command that the README shows."""
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL):
        for line in block.splitlines():
            command = line.partition(" | ")[0]
            words = shlex.split(command.removeprefix(".venv/bin/"), comments=True)
            if words and words[0] in ("gpubox-tui", "make"):
                yield words


def rows(head: str) -> dict[str, list[str]]:
    """The rows of the table whose first row begins with `head`, by their first cell."""
    table = re.search(rf"^\| {re.escape(head)} \|.*\n\|-.*\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert table is not None
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]
    return {row[0]: row for row in cells}


def names(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_exists(words: list[str]) -> None:
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    command: click.Command = cli.cli
    rest = words[1:]
    while isinstance(command, click.Group):
        context = click.Context(command)
        rest = rest[sum(isinstance(each, click.Argument) for each in command.params) :]
        _, found, rest = command.resolve_command(context, rest) if rest else (None, None, [])
        if found is None:
            return
        command = found
    context = command.make_context(command.name, list(rest))
    assert not context.args


def test_there_are_commands() -> None:
    assert len(list(commands())) > 12


def test_both_commands_to_begin_with_come_first() -> None:
    assert list(commands())[:2] == [["make", "demo"], ["make", "test"]]


def test_the_picture_is_there() -> None:
    picture = re.match(r"!\[[^\]]+\]\((screenshots/[^)]+\.svg)\)", TEXT)
    assert picture is not None
    assert "screenshots" in (ROOT / "Makefile").read_text()


def test_the_settings_are_those_of_the_code() -> None:
    told = rows("setting")
    expected: dict[str, list[str]] = {}
    for section, kind in SECTIONS.items():
        for name, info in fields(kind).items():
            default: object = info.default
            shown = (
                str(list(default)) if isinstance(default, tuple) else msgspec.json.encode(default).decode()
            )
            key = f"`{section}.{name}`"
            expected[key] = [key, f"`{shown}`", descriptions()[kind.__name__][name]]
    assert told == expected


def test_the_example_of_a_box_names_every_field() -> None:
    block = re.search(r"```toml\n\[\[box\]\]\n(.*?)```", TEXT, re.DOTALL)
    assert block is not None
    assert tuple(re.findall(r"^(\w+) =", block[1], re.MULTILINE)) == BoxEntry.__struct_fields__


STRUCTS = {
    "field": BoxReading,
    "`sample`": sample.Sample,
    "`sample.gpus[]`": sample.Gpu,
    "`sample.processes[]`": sample.Process,
    "`sample.host`": sample.Host,
    "`sample.driver`": sample.Driver,
    "`sample.faults[]`": sample.Fault,
    "`sample.probe`": sample.Cost,
}


@pytest.mark.parametrize(("head", "struct"), STRUCTS.items(), ids=STRUCTS)
def test_the_json_fields_are_those_of_the_code(head: str, struct: type[msgspec.Struct]) -> None:
    told = [name for cell in rows(head) for name in names(cell)]
    assert len(told) == len(set(told))
    assert set(told) == set(struct.__struct_fields__)


@pytest.mark.parametrize(
    ("struct", "head", "cell"),
    [
        (Words, "field", "`error`"),
        (sample.Disk, "`sample.host`", "`disks`"),
        (sample.RemappedRows, "`sample.gpus[]`", "`remapped_rows`"),
        (sample.MigInstance, "`sample.gpus[]`", "`mig`, `mig_instances`"),
    ],
)
def test_the_fields_of_inner_objects_are_told(struct: type[msgspec.Struct], head: str, cell: str) -> None:
    assert set(names(rows(head)[cell][1])) == set(struct.__struct_fields__)


@pytest.mark.parametrize(
    ("head", "fields"),
    [
        ("`desktops[]`", _told(MINE)),
        ("`services[]`", services.told(JUPYTER)),
        ("a tunnel", {**tunnel_hold.told(Tunnel(1, "x", None)), "schema": 1, "box": "", "url": ""}),
    ],
)
def test_the_json_of_desktops_services_and_tunnels_is_told(head: str, fields: dict[str, object]) -> None:
    told = [name for cell in rows(head) for name in names(cell)]
    assert len(told) == len(set(told))
    assert set(told) == set(fields)


def test_the_schema_number_is_told() -> None:
    assert rows("field")["`schema`"][1] == str(SCHEMA)


def test_every_fault_is_told_by_its_title_and_its_code() -> None:
    codes = names(rows("`sample.faults[]`")["`code`"][1])
    titles = {faults.explain(sample.Fault(code=code)).title for code in codes}
    assert len(titles) == len(codes)
    assert titles <= set(rows("it says"))


def keys() -> Iterator[str]:
    """The rows of the table of keys, as the program has them.

    Keys of windows that ask or explain stand in those windows.
    """
    for entry in everything().values():
        name = f"`{entry.id}`"
        shown = " ".join(f"`{KEYS.get(key, key)}`" for key in entry.keys)
        does = entry.tooltip
        if re.fullmatch(r"box\.panel[2-9]", entry.id) or entry.modal:
            continue
        if entry.id == "box.panel1":
            shown, does, name = "`1` … `9`", "Move to a panel by its number", "`box.panel1` … `box.panel9`"
        yield f"| {shown} | {PLACES[entry.id.partition('.')[0]]} | {does} | {name} |"


HEAD = "| key | where | does | name |\n|---|---|---|---|\n"


def test_the_table_of_keys_is_the_programs() -> None:
    table = "\n".join(keys())
    assert f"{HEAD}{table}\n\n" in TEXT, "write it anew with: python -m tests.commands.test_readme"


if __name__ == "__main__":
    before, _, rest = TEXT.partition(HEAD)
    (ROOT / "README.md").write_text(
        "\n".join([before + HEAD + "\n".join(keys()), rest[rest.index("\n\n") + 1 :]])
    )
