"""Opening a page: no token in any command line, nothing left behind, no browser where nobody sees it."""

from __future__ import annotations

import asyncio
import atexit
import html.parser
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from gpubox.boxes import browser
from tests.boxes.scripted import until
from tests.hang import LIMIT

URL = "http://127.0.0.1:8888/lab?token=s3cret&x=<\"'>"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pages are written."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def program(folder: Path, body: str) -> dict[str, str]:
    """Install a browser that is a small program; gives the environment that names it."""
    file = folder / "browser"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "BROWSER": f"{file} %s", "HOME": str(folder)}


class Links(html.parser.HTMLParser):
    """Collects where a page leads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        reported = dict(attrs)
        if tag == "a":
            self.found.append(reported["href"] or "")
        if reported.get("http-equiv") == "refresh":
            self.found.append((reported["content"] or "").partition("url=")[2])


async def test_a_secret_reaches_the_browser_through_a_private_page(tmp_path: Path, place: Path) -> None:
    saw = tmp_path / "saw"
    copy = f'echo "$1" > {saw}; page=${{1#file://}}; stat -c "%a %U" "$page" "${{page%/*}}" >> {saw}; '
    environment = program(tmp_path, copy + f'cat "$page" >> {saw}')
    assert await browser.show(URL, secret=True, environment=environment)
    words, page_mode, folder_mode, text = saw.read_text().split("\n", 3)
    assert "s3cret" not in words
    assert Path(unquote(urlsplit(words).path)).parent.parent == place
    assert (page_mode.split()[0], folder_mode.split()[0]) == ("600", "700")
    links = Links()
    links.feed(text)
    assert links.found == [URL, URL]
    assert "no-referrer" in text


async def test_no_process_has_the_secret_in_its_command_line(tmp_path: Path, place: Path) -> None:
    saw = tmp_path / "saw"
    environment = program(tmp_path, f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' > {saw}")
    assert await browser.show(URL, secret=True, environment=environment)
    lines = saw.read_bytes()
    assert b"webbrowser.open" in lines
    assert b"s3cret" not in lines


async def test_the_page_is_removed_after_a_while(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "STAYS", 0.05)
    assert await browser.show(URL, secret=True, environment=program(tmp_path, ":"))
    await until(lambda: not os.listdir(place))


async def test_the_page_is_removed_when_the_program_ends_first(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", ends.append)
    assert await browser.show(URL, secret=True, environment=program(tmp_path, ":"))
    assert os.listdir(place)
    for end in ends:
        end()
    assert not os.listdir(place)


async def test_a_browser_that_fails_leaves_no_page(tmp_path: Path, place: Path) -> None:
    environment = program(tmp_path, "exit 1")
    environment["PATH"] = str(tmp_path)  # no other one is found
    assert not await browser.show(URL, secret=True, environment=environment)
    assert not os.listdir(place)


async def test_an_address_without_a_secret_is_opened_as_it_is(tmp_path: Path, place: Path) -> None:
    saw = tmp_path / "saw"
    environment = program(tmp_path, f'echo "$1" > {saw}; echo noise; echo noise >&2')
    assert await browser.show("http://127.0.0.1:3000/", secret=False, environment=environment)
    assert saw.read_text() == "http://127.0.0.1:3000/\n"
    assert not os.listdir(place)


async def test_what_a_browser_prints_stays_off_the_screen(
    tmp_path: Path, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environment = program(tmp_path, "echo noise; echo noise >&2")
    assert await browser.show("http://127.0.0.1:3000/", secret=False, environment=environment)
    assert capfd.readouterr() == ("", "")


async def test_a_browser_that_stays_in_the_foreground_counts_as_open(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "_PATIENCE", 0.5)
    gate = tmp_path / "gate"
    environment = program(tmp_path, f"while [ ! -e {gate} ]; do sleep 0.05; done; rm {gate}")
    async with asyncio.timeout(LIMIT):
        assert await browser.show("http://127.0.0.1:3000/", secret=False, environment=environment)
    gate.touch()
    await until(lambda: not gate.exists())  # it lives on, and ends by itself


@pytest.mark.parametrize(
    ("environment", "platform", "there"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "x"}, "darwin", False),
        ({"SSH_CONNECTION": "x", "DISPLAY": "localhost:10.0"}, "linux", False),
        ({"SSH_TTY": "x", "BROWSER": "code-open"}, "linux", True),
        ({"BROWSER": "w3m"}, "linux", True),
    ],
)
def test_a_browser_counts_only_where_the_person_sees_it(
    environment: dict[str, str], platform: str, there: bool
) -> None:
    assert browser.there_is_one(environment, platform) is there


async def test_without_a_browser_nothing_is_written(place: Path) -> None:
    assert not await browser.show(URL, secret=True, environment={})
    assert not os.listdir(place)


async def test_where_no_page_can_be_written_the_address_is_shown_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert not await browser.show(URL, secret=True, environment=program(tmp_path, ":"))


@pytest.mark.skipif(sys.platform != "linux", reason="snaps are Linux's")
async def test_a_browser_from_a_snap_gets_its_page_where_it_may_look(tmp_path: Path, place: Path) -> None:
    common = tmp_path / "snap" / "firefox" / "common"
    common.mkdir(parents=True)
    saw = tmp_path / "saw"
    for name, body in (
        ("xdg-settings", "echo firefox_firefox.desktop"),
        ("xdg-open", f'echo "$1" > {saw}'),
    ):
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "DISPLAY": ":99"}
    assert await browser.show(URL, secret=True, environment=environment)
    await until(saw.exists)
    await until(lambda: saw.read_text().startswith(common.as_uri()))
    assert not os.listdir(place)


async def test_pages_of_a_program_that_was_killed_are_swept_away(tmp_path: Path, place: Path) -> None:
    for name, age in (("gpubox-page-old", 7200.0), ("gpubox-page-new", 0.0), ("other", 7200.0)):
        folder = place / name
        folder.mkdir()
        then = time.time() - age
        os.utime(folder, (then, then))
    assert await browser.show(URL, secret=True, environment=program(tmp_path, ":"))
    left = os.listdir(place)
    assert "gpubox-page-old" not in left
    assert {"gpubox-page-new", "other"} < set(left)
    assert all(not stat.S_IMODE(os.stat(place / one).st_mode) & 0o077 for one in left if len(one) > 16)
