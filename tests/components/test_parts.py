"""Getting the parts: quiet when all is there, exact when something is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.components import parts


@pytest.fixture
def missing_fish(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may install, and one part is not there."""
    monkeypatch.setattr(parts, "PARTS", {"no-such-fish": parts.Part("no-such-fish", "fish")})
    monkeypatch.setattr(parts, "_privilege", lambda: None)
    monkeypatch.setattr(parts, "_HEADERS", Path(__file__))


def test_nothing_is_said_when_all_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parts, "lacking", list[str])
    assert parts.install() == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
@pytest.mark.usefixtures("missing_fish")
def test_what_is_missing_is_said_exactly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, status: int
) -> None:
    monkeypatch.setenv("CI", ci)
    assert parts.install() == status
    assert "are missing: fish." in capsys.readouterr().err


@pytest.mark.parametrize(("ci", "outcome"), [("true", "Failed"), ("", "Skipped")])
@pytest.mark.usefixtures("missing_fish")
def test_a_missing_part_skips_its_test_but_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(BaseException, match="not on this machine: fish") as raised:
        parts.program("no-such-fish")
    assert type(raised.value).__name__ == outcome
