"""docs/rules.md lists every rule, in the words of the code."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gpubox.common.rules.alerts.table import ALERT_RULES, NOT_JUDGED
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
ALERTS = "| alert | severity | it says | raised | cleared | what to do |\n|---|---|---|---|---|---|\n"
NOT_READ = "| not judged | what it would say | why not |\n|---|---|---|\n"
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


def alerts() -> Iterator[str]:
    """The rows of the table of alerts."""
    for rule in ALERT_RULES:
        error = rule.title == ERROR
        title = "the error's own words" if error else f"{plain(rule.title)}: {plain(rule.text)}"
        when = f"{rule.raised_when} | {rule.cleared_when}"
        hint = "" if error else plain(rule.hint)
        yield f"| `{rule.code}` | {rule.severity.word} | {title} | {when} | {hint} |"


def unread() -> Iterator[str]:
    """The rows of what cannot be judged."""
    return (f"| `{one.code}` | {one.title} | {one.why} |" for one in NOT_JUDGED)


TABLES = ((HEAD, rows), (ALERTS, alerts), (NOT_READ, unread))


@pytest.mark.parametrize(("head", "made"), TABLES, ids=("rules", "alerts", "not judged"))
def test_the_tables_of_rules_are_the_programs(head: str, made: Callable[[], Iterator[str]]) -> None:
    table = "\n".join(made())
    assert f"{head}{table}\n" in f"{PAGE.read_text()}\n", (
        "rewrite it with: python -m tests.common.rules.test_page"
    )


if __name__ == "__main__":
    page = PAGE.read_text()
    for head, made in TABLES:
        before, _, after = page.partition(head)
        _, _, rest = after.partition("\n\n")
        table = "\n".join(made())
        page = f"{before}{head}{table}\n" + (f"\n{rest}" if rest else "")
    PAGE.write_text(page)
