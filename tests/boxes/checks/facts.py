"""Makes facts of a box for judges."""

from __future__ import annotations

from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Facts, Gathered, Result
from gpubox.boxes.checks.run import judged


def gathered(*facts: Facts) -> Gathered:
    """Return facts as a judge gets them."""
    return Gathered({type(one): one for one in facts})


def judge(name: str, *facts: Facts) -> Result:
    """Return what the check with this id comes to; a judge that raises makes the test fail."""
    (check,) = (check for check in all_checks() if check.id == name)
    assert set(map(type, facts)) <= set(check.needs), "the check does not ask for these facts"
    result = judged(check, {type(one): one for one in facts})
    assert "itself failed" not in result.text
    return result
