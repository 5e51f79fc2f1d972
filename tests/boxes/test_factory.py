"""A target becomes a box with the right link, and nothing heavy is imported for it before it must be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gpubox.boxes.demo import DemoLink
from gpubox.boxes.factory import open_box
from gpubox.config.settings import BoxEntry, Overrides, Settings
from gpubox.core.errors import ConfigError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.target import Target
from gpubox.local.link import LocalLink
from tests.hang import LIMIT

SETTINGS = Settings(box=(BoxEntry(name="attic", host="10.0.0.7", user="ada", port=2222),))


def test_each_kind_has_its_own_link() -> None:
    from gpubox.ssh.link import SshLink

    links = {
        "local": open_box(Target("local", "local"), SETTINGS, Nobody()).link,
        "demo": open_box(Target("demo", "demo"), SETTINGS, Nobody()).link,
        "attic": open_box(Target("attic", "ssh", "settings"), SETTINGS, Nobody()).link,
        "ada@host:22": open_box(Target("ada@host:22", "ssh", "typed"), SETTINGS, Nobody()).link,
    }
    assert {name: type(link) for name, link in links.items()} == {
        "local": LocalLink,
        "demo": DemoLink,
        "attic": SshLink,
        "ada@host:22": SshLink,
    }
    assert all(link.health.value.phase is Phase.IDLE for link in links.values())


def test_a_box_of_ones_own_is_opened_with_its_own_settings() -> None:
    entry = BoxEntry(name="attic", tags=("lab",), probe={"interval": 5.0}, ssh={"retry_cap": 7.0})
    settings = Settings(box=(entry,), tag={"lab": Overrides(jobs={"gpus": 2})})
    own = open_box(Target("attic", "ssh", "settings"), settings, Nobody()).settings
    assert (own.probe.interval, own.ssh.retry_cap, own.jobs.gpus) == (5.0, 7.0, 2)
    for target in (Target("cellar", "ssh", "ssh config"), Target("demo", "demo"), Target("local", "local")):
        assert open_box(target, settings, Nobody()).settings == settings


def test_a_name_that_is_no_address_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(ConfigError):
        open_box(Target("-oProxyCommand=id", "ssh", "typed"), SETTINGS, Nobody())


def test_naming_and_opening_boxes_imports_no_asyncssh() -> None:
    program = (
        "import sys; from gpubox.boxes.factory import open_box;"
        "from gpubox.boxes.targets import known, parse;"
        "from gpubox.config.settings import Settings; from gpubox.core.prompts import Nobody;"
        "s = Settings(); known(s); "
        "[open_box(parse(name, s), s, Nobody()) for name in ('local', 'demo', 'ada@host')];"
        "sys.exit(any(name.split('.')[0] in ('asyncssh', 'textual', 'cryptography') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=LIMIT)
