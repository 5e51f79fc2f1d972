"""docs/checks.md lists every check, in the words of the code."""

from __future__ import annotations

from collections.abc import Iterator

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import GROUPS
from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "checks.md"
HEAD = "## All checks\n"


def lines() -> Iterator[str]:
    """The tables of all groups, as the program has them."""
    for group, title in GROUPS.items():
        yield f"\n### {title}\n"
        yield "| check | is true when all is well | why | by hand |"
        yield "|---|---|---|---|"
        for one in all_checks():
            if one.group == group:
                why = one.why.replace("|", "\\|")
                command = one.command.replace("|", "\\|")
                yield f"| `{one.id}` | {one.title} | {why} | `{command}` |"


def test_the_tables_of_checks_are_the_programs() -> None:
    _, _, tables = PAGE.read_text().partition(HEAD)
    assert tables == "\n".join(lines()) + "\n", "rewrite them with: python -m tests.boxes.checks.test_page"


if __name__ == "__main__":
    before, _, _ = PAGE.read_text().partition(HEAD)
    PAGE.write_text(f"{before}{HEAD}{chr(10).join(lines())}\n")
