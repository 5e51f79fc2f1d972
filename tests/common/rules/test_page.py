"""docs/rules.md lists every rule, in the words of the code."""

from __future__ import annotations

from collections.abc import Iterator

from gpubox.common.rules.table import RULES
from gpubox.common.rules.words import fill
from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "rules.md"
HEAD = "| rule | severity | it says | it means |\n|---|---|---|---|\n"


VALUES = {
    **dict.fromkeys(("said", "looked_at", "xid_note"), ""),  # often empty
    "xid_meaning": "what it means",  # long, and in a table of its own
    "xid_step": "what to do then",
}
ERROR = "{title}"


def plain(words: str) -> str:
    """Words with an ellipsis where a value of the box stands."""
    return fill(words, lambda name: VALUES.get(name, "…")).replace("|", "\\|")


def rows() -> Iterator[str]:
    """The rows of the table, as the program has them."""
    for rule in RULES:
        if rule.title == ERROR:
            yield f"| `{rule.code}` | {rule.severity.word} | the error's own words | |"
            continue
        means = plain(rule.text) + (f" → {plain(rule.hint)}" if rule.hint else "")
        yield f"| `{rule.code}` | {rule.severity.word} | {plain(rule.title)} | {means} |"


def test_the_table_of_rules_is_the_programs() -> None:
    table = "\n".join(rows())
    assert f"{HEAD}{table}\n" in PAGE.read_text(), "rewrite it with: python -m tests.common.rules.test_page"


if __name__ == "__main__":
    before, _, _ = PAGE.read_text().partition(HEAD)
    PAGE.write_text(f"{before}{HEAD}{chr(10).join(rows())}\n")
