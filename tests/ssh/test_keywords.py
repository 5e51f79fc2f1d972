"""Every keyword of ssh_config(5) has its place in the table."""

from __future__ import annotations

import gzip
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gpubox.core.errors import ConfigError
from gpubox.ssh.keywords import NEED_SSH, TABLE, KeywordUse
from gpubox.ssh.resolve import HostSpec, resolve
from tests.components.parts import program
from tests.ssh.fakes import Folder, needs_ssh

_MANUAL = Path("/usr/share/man/man5/ssh_config.5.gz")


def test_the_table_has_every_keyword_that_ssh_prints() -> None:
    words = [program("ssh"), "-G", "-F", "/dev/null", "localhost"]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    names = {line.partition(" ")[0].lower() for line in printed.splitlines()}
    assert names - set(TABLE) == set()


def test_the_table_has_every_keyword_of_the_manual_page() -> None:
    if not _MANUAL.exists():
        pytest.skip("this system has no manual pages")
    text = gzip.decompress(_MANUAL.read_bytes()).decode()
    names = {name.lower() for name in re.findall(r"^\.It Cm (\w+)", text, re.MULTILINE)}
    assert len(names) > 90
    assert names - set(TABLE) == set()


def test_what_is_refused_cannot_be_known_without_ssh() -> None:
    assert {keyword for keyword, use in TABLE.items() if use is KeywordUse.REFUSED} <= NEED_SSH


@needs_ssh
@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("KnownHostsCommand /usr/bin/known %H", "KnownHostsCommand"),
        ("ProxyCommand nc %h %p\n  ProxyUseFdpass yes", "ProxyUseFdpass"),
    ],
)
async def test_what_cannot_be_honored_is_refused_by_name(folder: Folder, line: str, name: str) -> None:
    folder.configure(f"Host box\n  {line}\nHost off\n  KnownHostsCommand none\n")
    with pytest.raises(ConfigError, match=name):
        await resolve(HostSpec("box", config_file=folder.config))
    with pytest.raises(ConfigError, match=name):
        await resolve(HostSpec("other", jump="box", config_file=folder.config))
    await resolve(HostSpec("off", config_file=folder.config))


@pytest.mark.parametrize("keyword", ["RevokedHostKeys", "knownhostscommand", "CanonicalizeHostname"])
async def test_without_ssh_what_only_ssh_understands_is_refused(folder: Folder, keyword: str) -> None:
    (folder.path / "more").write_text(f"{keyword} yes\n")
    folder.configure(f"Include {folder.path}/more\n")
    with pytest.raises(ConfigError, match=keyword.lower()):
        await resolve(replace(HostSpec("box"), config_file=folder.config), "there-is-no-such-ssh")
