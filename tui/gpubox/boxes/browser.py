"""Opens a page in the browser of this machine without its token in any command line."""

from __future__ import annotations

import asyncio
import atexit
import html
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

STAYS = 30.0
"""Seconds before the redirect page is deleted: a browser that starts from a slow disk needs ten."""
_PATIENCE = 5.0
"""Seconds for the browser's launcher; some stay as long as the browser does."""
_PREFIX = "gpubox-page-"
_LEFT = 3600.0
"""Age in seconds of a page that a killed program left behind."""
_OPEN = """
import subprocess, sys, webbrowser

def start(self, url, new=0, autoraise=True):
    words = [self.name] + [word.replace("%s", url) for word in self.args]
    try:
        return subprocess.Popen(words, start_new_session=True).wait(1) == 0
    except subprocess.TimeoutExpired:
        return True
    except OSError:
        return False

webbrowser.BackgroundBrowser.open = start
sys.exit(not webbrowser.open(sys.argv[1]))
"""
"""A browser whose launcher ends at once: the standard library would take xdg-open for failed."""
_SNAPS = {"firefox_firefox.desktop": "firefox", "chromium_chromium.desktop": "chromium"}


def there_is_one(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Return whether the user can see a browser's page: one on a remote machine's screen does not count."""
    if environment.get("BROWSER"):
        return True
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return False
    if platform in ("darwin", "win32"):
        return True
    # Without a screen `webbrowser` starts a browser for terminals, which would draw over this program.
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


async def show(url: str, *, secret: bool, environment: Mapping[str, str] = os.environ) -> bool:
    """Open an address in the user's browser; return False when there is none, so that the caller shows it.

    A secret address goes through a page that only this user can read, and that is removed after STAYS
    seconds or when the program ends. $BROWSER is respected; a browser that fails raises nothing.
    """
    if not there_is_one(environment):
        return False
    if not secret:
        return await asyncio.to_thread(_launch, url, environment)
    try:
        page = await asyncio.to_thread(_page, url, environment)
    except OSError:
        return False  # a full disk: the user opens the address

    def remove() -> None:
        shutil.rmtree(page.parent, ignore_errors=True)
        atexit.unregister(remove)

    atexit.register(remove)
    shown = await asyncio.to_thread(_launch, page.as_uri(), environment)
    if shown:
        asyncio.get_running_loop().call_later(STAYS, remove)
    else:
        remove()
    return shown


def _launch(address: str, environment: Mapping[str, str]) -> bool:
    """Start a browser in a separate Python, so that its output does not reach the screen."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _OPEN, address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=_PATIENCE,
            check=False,
            env=dict(environment),
        )
    except subprocess.TimeoutExpired:
        return True  # the starter waits for the browser, which is open
    except OSError:
        return False
    return done.returncode == 0


def _page(url: str, environment: Mapping[str, str]) -> Path:
    """Write a page that redirects to an address, readable by this user alone; raises OSError."""
    place = _place(environment)
    _sweep(place)
    page = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place)) / "open.html"
    with open(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(_leading_to(url))
    return page


def _leading_to(url: str) -> str:
    """Return a page that redirects without a referrer."""
    shown, script = html.escape(url), json.dumps(url).replace("<", "\\u003c")
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="1; url={shown}"><title>gpubox</title>'
        f"<script>location.replace({script});</script></head>"
        f'<body><a href="{shown}">Open the page</a></body></html>\n'
    )


def _place(environment: Mapping[str, str]) -> Path:
    """Return a folder that the browser can read: a snap sees neither /tmp nor hidden folders."""
    common = Path(tempfile.gettempdir())
    asking = shutil.which("xdg-settings", path=environment.get("PATH", os.defpath))
    snaps = Path(environment.get("HOME", "/nonexistent")) / "snap"
    if asking is None or environment.get("BROWSER") or not snaps.is_dir():
        return common
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            [asking, "get", "default-web-browser"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            env=dict(environment),
        )
        name = _SNAPS.get(done.stdout.decode("utf-8", "replace").strip(), "")
        if name and (snaps / name / "common").is_dir():
            return snaps / name / "common"
    return common


def _sweep(place: Path) -> None:
    """Remove pages that killed programs of ours left behind."""
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            about = folder.lstat()
            if about.st_uid == os.getuid() and time.time() - about.st_mtime > _LEFT:
                shutil.rmtree(folder, ignore_errors=True)
