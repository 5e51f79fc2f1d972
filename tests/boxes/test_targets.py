"""Names of boxes: what is known, what a typed one means, and what is no name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.boxes.targets import BoxAddress, address, entry_of, known, parse
from gpubox.config.settings import BoxEntry, Settings
from gpubox.core.errors import ConfigError

SETTINGS = Settings(
    box=(
        BoxEntry(name="attic", host="10.0.0.7", user="ada", port=2222, jump="gate"),
        BoxEntry(name="gpu1", host="fd00::1", python="/opt/python"),
        BoxEntry(name="work"),
    )
)


@pytest.fixture(autouse=True)
def ssh_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home with two aliases, one of them also in the settings."""
    monkeypatch.setattr("gpubox.ssh.openssh_config.home", lambda: tmp_path)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host cellar work gpu*\n  User bob\n", "utf-8")


def test_settings_come_before_aliases_and_what_is_built_in_comes_last() -> None:
    targets = known(SETTINGS)
    assert [(target.name, target.kind, target.source) for target in targets] == [
        ("attic", "ssh", "settings"),
        ("gpu1", "ssh", "settings"),
        ("work", "ssh", "settings"),
        ("cellar", "ssh", "ssh config"),
        ("local", "local", "built in"),
        ("demo", "demo", "built in"),
    ]
    assert targets[0].detail == "ada@10.0.0.7:2222 by gate"
    assert targets[1].detail == "fd00::1"


def test_the_last_used_come_first_typed_ones_too() -> None:
    names = [target.name for target in known(SETTINGS, ["demo", "ada@lab:24", "-oProxyCommand=x", "cellar"])]
    assert names == ["demo", "ada@lab:24", "cellar", "attic", "gpu1", "work", "local"]


@pytest.mark.parametrize(
    ("name", "kind", "source"),
    [
        ("attic", "ssh", "settings"),
        ("cellar", "ssh", "ssh config"),
        ("local", "local", "built in"),
        ("demo", "demo", "built in"),
        ("gpu2", "ssh", "typed"),
        ("ada@attix", "ssh", "typed"),
        ("box.example.org", "ssh", "typed"),
    ],
)
def test_a_name_means_what_is_nearest_to_the_person(name: str, kind: str, source: str) -> None:
    target = parse(f" {name} ", SETTINGS)
    assert (target.name, target.kind, target.source) == (name, kind, source)


@pytest.mark.parametrize(("slip", "meant"), [("atic", "attic"), ("cellarr", "cellar"), ("demmo", "demo")])
def test_a_slip_is_answered_with_the_name_that_was_meant(slip: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"Close to it: {meant}") as caught:
        parse(slip, SETTINGS)
    assert "user@host" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("host", BoxAddress("host")),
        ("ada@host", BoxAddress("host", "ada")),
        ("ada@host:2222", BoxAddress("host", "ada", 2222)),
        ("host.example.org:22", BoxAddress("host.example.org", port=22)),
        ("[fd00::1]:22", BoxAddress("fd00::1", port=22)),
        ("[fd00::1]", BoxAddress("fd00::1")),
        ("fd00::1", BoxAddress("fd00::1")),
        ("ada@fe80::1%eth0", BoxAddress("fe80::1%eth0", "ada")),
        ("ssh://ada@host:2222/", BoxAddress("host", "ada", 2222)),
        ("CORP\\ada@host", BoxAddress("host", "CORP\\ada")),
        ("ada@corp.example@host:2222", BoxAddress("host", "ada@corp.example", 2222)),
    ],
)
def test_an_address_is_taken_apart(name: str, parts: BoxAddress) -> None:
    assert address(name) == parts


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "-oProxyCommand=id", "ada@-x", "@host", "ada@", "host:", "host:0", "host:99999", "host:x",
        "a b", "[::1", "[x]:22", "[::1]22", "[::1]:", "host;id", "$(id)", "host:２２", "a\x1b[2J", "-l@host",
        "a/b", "host:22:22", "@b@host", "ada\\@host",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_words(name: str) -> None:
    with pytest.raises(ConfigError, match="Not the name of a box") as caught:
        parse(name, SETTINGS)
    assert "\x1b" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(name: str) -> None:
    try:
        parts = address(name)
    except ConfigError:
        return
    assert not parts.host.startswith("-")
    assert not parts.user.startswith("-")
    assert not set(parts.host) & set(" \t\n;|&$`\"'<>()\\")


def test_a_shown_address_is_read_back_as_itself() -> None:
    for name in ("[fd00::1]:22", "ada@[fd00::1]:22", "ada@fd00::1", "ada@host:2222", "host"):
        assert parse(name, SETTINGS).name == name


def test_how_to_reach_a_target_comes_from_where_its_name_comes_from() -> None:
    assert entry_of(parse("attic", SETTINGS), SETTINGS) == SETTINGS.box[0]
    assert entry_of(parse("cellar", SETTINGS), SETTINGS) == BoxEntry(name="cellar", host="cellar")
    typed = entry_of(parse("ada@host:2222", SETTINGS), SETTINGS)
    assert (typed.host, typed.user, typed.port) == ("host", "ada", 2222)
