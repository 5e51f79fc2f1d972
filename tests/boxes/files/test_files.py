"""Files both ways, through the program at both ends: what arrives, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpubox.boxes.files.transfer import Files, TransferProgress
from gpubox.core.errors import ConfigError, RemoteError
from tests.boxes.files.cut_line import BIG, Line, furnish, tree
from tests.remote.running import pythons


async def test_a_folder_goes_there_and_comes_back_the_same(files: Files, home: Path, here: Path) -> None:
    furnish(here / "project")
    sent = await files.put([str(here / "project")], "")
    assert tree(home / "project") == tree(here / "project")
    assert (home / "project" / "run.sh").stat().st_mode & 0o777 == 0o755
    back = here / "back"
    back.mkdir()
    got = await files.get(["project"], str(back))
    assert tree(back / "project") == tree(here / "project")
    assert (sent.files, sent.bytes, sent.skipped) == (got.files, got.bytes, got.skipped)
    assert sent.bytes == sent.all_bytes > len(BIG)
    assert not (home / "hit").exists()


@pytest.mark.parametrize("name", [" ", "new\nline", "$(touch hit)", "-rf", "*", "~"])
async def test_a_file_of_any_name_goes_both_ways(files: Files, home: Path, here: Path, name: str) -> None:
    (here / name).write_bytes(b"first")
    await files.put([str(here / name)], "")
    assert (home / name).read_bytes() == b"first"
    (home / name).write_bytes(b"second")
    if name != "~":
        await files.get([f"./{name}"], f"{here}/")
        assert (here / name).read_bytes() == b"second"


@pytest.mark.parametrize("python", list(pythons().values()), ids=lambda path: str(path).replace("/", "_"))
async def test_every_python_here_sends_and_takes(line: Line, home: Path, here: Path, python: str) -> None:
    files = Files("box", line.shell, line.channels, python=python)
    (here / "big").write_bytes(BIG)
    (here / "small").write_bytes(b"x")
    await files.put([str(here)], "")
    await files.get(["here"], str(here / "back"))
    assert tree(here / "back") == tree(home / "here") == {"big": BIG, "small": b"x"}


async def test_one_file_gets_the_name_that_is_asked(files: Files, home: Path, here: Path) -> None:
    (here / "a").write_bytes(b"1")
    await files.put([str(here / "a")], "~/b c")
    assert (home / "b c").read_bytes() == b"1"
    await files.put([str(here / "a")], "new folder/")
    assert (home / "new folder" / "a").read_bytes() == b"1"
    await files.get(["new folder"], str(here / "other"))
    assert (here / "other" / "a").read_bytes() == b"1"


async def test_patterns_are_filled_in_by_the_box(files: Files, home: Path, here: Path) -> None:
    for name in ("out1.png", "out2.png", "out.txt"):
        (home / name).write_text(name)
    await files.get(["out*.png"], str(here))
    assert sorted(tree(here)) == ["out1.png", "out2.png"]


async def test_what_lies_there_is_replaced_in_one_step_and_keeps_its_mode(
    files: Files, home: Path, here: Path
) -> None:
    (home / "old").write_bytes(b"old")
    (home / "old").chmod(0o640)
    (home / "link").symlink_to("old")
    reader = (home / "old").open("rb")
    (here / "link").write_bytes(b"new")
    await files.put([str(here / "link")], "")
    assert reader.read() == b"old"
    reader.close()
    assert (home / "old").read_bytes() == b"new"
    assert (home / "link").is_symlink()
    assert (home / "old").stat().st_mode & 0o777 == 0o640


async def test_what_is_there_already_is_not_sent_again(
    files: Files, line: Line, home: Path, here: Path
) -> None:
    (here / "big").write_bytes(BIG)
    (home / "big").write_bytes(BIG)
    done = await files.put([str(here / "big")], "")
    assert (done.reused, done.bytes, done.files) == (len(BIG), len(BIG), 1)
    assert line.passed < 100_000
    (home / "big").write_bytes(BIG[:-1] + b"?")
    done = await files.get(["big"], str(here))
    assert done.reused == 0
    assert (here / "big").read_bytes() == (home / "big").read_bytes()


async def test_a_disk_that_is_full_is_said_and_nothing_half_is_left_in_place(
    files: Files, home: Path, here: Path
) -> None:
    (here / "big").write_bytes(BIG)
    with pytest.raises(RemoteError) as raised:
        await files.put([str(here / "big")], "/dev/full")
    assert raised.value.title == "Cannot be written"
    (home / "closed").mkdir(0o500)
    if os.geteuid() != 0:
        with pytest.raises(RemoteError, match="Not allowed"):
            await files.put([str(here / "big")], "closed")


async def test_what_is_no_file_is_left_out_and_named(files: Files, home: Path, here: Path) -> None:
    (here / "tree").mkdir()
    os.mkfifo(here / "tree" / "pipe")
    (here / "tree" / "loop").symlink_to(".")
    (here / "tree" / "gone").symlink_to("nowhere")
    (here / "tree" / "real").write_text("x")
    (here / "tree" / "link").symlink_to("real")
    done = await files.put([str(here / "tree")], "")
    assert sorted(tree(home / "tree")) == ["link", "real"]
    assert sorted(text.rpartition("/")[2] for text in done.skipped) == [
        "gone: No such file or directory", "loop: a link to a folder", "pipe: neither a file nor a folder",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "to", "title"),
    [
        (["missing"], "", "No such file"),
        (["no*thing"], "", "No such file"),
        (["there"], "no/such/folder", "No such folder"),
        (["folder"], "there", "In the way"),
        (["there"], "folder2", "Cannot be written"),
    ],
)
async def test_what_cannot_be_fetched_is_said(
    files: Files, home: Path, here: Path, paths: list[str], to: str, title: str
) -> None:
    for folder in (home, here):
        (folder / "there").write_text("x")
        (folder / "folder").mkdir()
    (here / "folder2" / "there").mkdir(parents=True)
    with pytest.raises(RemoteError) as raised:
        await files.get(paths, str(here / to) if to else str(here))
    assert raised.value.title == title


async def test_a_file_that_is_not_here_is_said(files: Files, home: Path, here: Path) -> None:
    with pytest.raises(RemoteError, match="Cannot be read"):
        await files.put([str(here / "missing")], "")


@pytest.mark.parametrize("path", ["", "/", "~", "~/", ".", "..", "a/.."])
async def test_a_whole_home_is_not_fetched(files: Files, here: Path, path: str) -> None:
    with pytest.raises(ConfigError):
        await files.get([path], str(here))


async def test_progress_is_reported_while_it_goes_on(files: Files, home: Path, here: Path) -> None:
    (here / "big").write_bytes(BIG * 8)
    seen: list[TransferProgress] = []
    await files.put([str(here / "big")], "", seen.append)
    assert seen[-1].all_bytes in (0, 8 * len(BIG))
    assert all(one.bytes <= 8 * len(BIG) for one in seen)
