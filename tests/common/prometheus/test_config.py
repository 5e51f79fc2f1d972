"""config/prometheus is generated: alert rules for every rule, a dashboard of metrics that there are."""

from __future__ import annotations

import json
import re

import pytest

from gpubox.common.metrics import LINK, METRICS
from gpubox.common.prometheus.alert_rules import DOWN, JOB, alert_name, rule_groups
from gpubox.common.prometheus.dashboard import WIDTH, dashboard
from gpubox.common.prometheus.files import FILES
from gpubox.common.prometheus.frame import GPU_EXTRAS, OTHER_EXTRAS, SERVICE_EXTRAS
from gpubox.common.prometheus.naming import exported
from gpubox.common.rules.alerts.table import ALERT_RULES, OF_SERVICE
from gpubox.common.severity import Severity
from gpubox.common.yaml_text import yaml
from tests.house.tree import ROOT

REFRESH = "python -m tests.common.prometheus.test_config"
FOLDER = ROOT / "config" / "prometheus"


def series() -> set[str]:
    """The names of all series that the service gives."""
    names = {row.series for subject in METRICS for row in exported(subject)}
    for extra in (*SERVICE_EXTRAS, *GPU_EXTRAS, *OTHER_EXTRAS):
        names.add(extra.family(()).series_name)
    return names


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_as_the_program_makes_it(name: str) -> None:
    made = FILES[name]()
    assert (FOLDER / name).read_text() == made, (
        "rewrite it with: python -m tests.common.prometheus.test_config"
    )


def test_the_folder_holds_nothing_else() -> None:
    assert {path.name for path in FOLDER.iterdir()} == FILES.keys()


def test_every_rule_has_an_alert_or_is_not_raised_by_the_service() -> None:
    rules = rule_groups()["groups"][0]["rules"]
    names = [rule["alert"] for rule in rules]
    assert len(set(names)) == len(names)
    assert set(names) == {DOWN, *(alert_name(rule) for rule in OF_SERVICE)}
    left = [rule for rule in ALERT_RULES if rule not in OF_SERVICE]
    assert all(rule.severity is Severity.INFO or rule.subject == LINK for rule in left)
    assert len(names) > 30


def test_alerts_say_what_and_what_to_do_without_braces_of_the_table() -> None:
    for rule in rule_groups()["groups"][0]["rules"]:
        for name, text in rule["annotations"].items():
            bare = re.sub(r"\{\{.*?\}\}", "", text)
            assert bare.strip(" …."), (rule["alert"], name)
            assert not re.search(r"[{}]", bare), (rule["alert"], name)
            assert name == "summary" or text.endswith("."), (rule["alert"], name)
        assert {"summary", "description"} <= rule["annotations"].keys()


def test_rules_ask_for_series_that_there_are() -> None:
    names = series()
    for rule in rule_groups()["groups"][0]["rules"]:
        asked = re.findall(r"gpubox_\w+", f"{rule['expr']} {rule['annotations']}")
        assert set(asked) <= names
        assert asked or rule["alert"] == DOWN


def test_the_dashboard_asks_for_series_that_there_are() -> None:
    asked = re.findall(r"gpubox_\w+", json.dumps(dashboard()))
    assert len(asked) > 20
    assert set(asked) <= series()


def test_panels_of_the_dashboard_have_a_place_and_a_query_each() -> None:
    panels = dashboard()["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & covered, panel["title"]
        assert place["x"] + place["w"] <= WIDTH
        cells |= covered
        assert panel["type"] == "row" or panel["targets"], panel["title"]


def test_the_configuration_names_the_file_of_rules() -> None:
    text = FILES["scrape.yml"]()
    assert re.findall(r'^  - "(.*\.yml)"$', text, re.MULTILINE) == ["gpubox.rules.yml"]
    assert f'job_name: "{JOB}"' in text


def test_yaml_is_in_blocks_with_quoted_texts() -> None:
    value = {"a": [{"b": 'x: "y"\n', "c": [1, True]}, "#d"], "e": {}, "f": {"g": []}, "h": [[1, 2], [3]]}
    assert yaml(value, "one\n\ntwo") == (
        "# one\n#\n# two\n"
        'a:\n  - b: "x: \\"y\\"\\n"\n    c:\n      - 1\n      - true\n  - "#d"\n'
        "e: {}\nf:\n  g: []\nh:\n  - - 1\n    - 2\n  - - 3\n"
    )


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in FILES.items():
        (FOLDER / file).write_text(text())
