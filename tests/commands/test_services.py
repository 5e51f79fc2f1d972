"""Services as lines and as JSON: what people type comes first, and no token is in either."""

from __future__ import annotations

import json
from dataclasses import replace

from gpubox.boxes.services import Access, Service
from gpubox.commands.services import rows, to_json

CATS = Service(
    "jupyter-cats",
    "jupyter",
    "Jupyter Lab",
    port=8888,
    pid=7,
    user="ada",
    title="cats",
    folder="/home/ada/cats",
    access=Access.TOKEN,
    page=True,
    token="s3cret",
)
GRAFANA = Service(
    "grafana", "grafana", "Grafana", "0.0.0.0", 3000, user="grafana", mine=False, access=Access.PASSWORD
)
SSH = Service("ssh", "ssh", "ssh", "0.0.0.0", 22, user="root", mine=False, system=True)


def test_services_are_lines_below_a_head() -> None:
    assert rows([CATS, GRAFANA, SSH]) == [
        "NAME          WHAT         ABOUT  USER     LISTENS ON           NEEDS",
        "jupyter-cats  Jupyter Lab  cats   ada      8888                 token (known)",
        "grafana       Grafana      –      grafana  3000, all addresses  password",
        "1 more: sshd, desktops and other works of the box; --all shows them",
    ]


def test_everything_is_shown_when_asked_for() -> None:
    lines = rows([CATS, GRAFANA, SSH], everything=True)
    assert lines[-1].split() == ["ssh", "ssh", "–", "root", "22,", "all", "addresses", "–"]


def test_a_box_where_nothing_listens_says_so() -> None:
    assert rows([]) == ["Nothing listens there that is known."]
    assert rows([SSH])[1:] == ["1 more: sshd, desktops and other works of the box; --all shows them"]


def test_a_long_title_is_cut() -> None:
    assert len(rows([replace(CATS, title="x" * 500)])[1]) < 120


def test_json_has_everything_but_the_token() -> None:
    found = to_json(CATS)
    assert found["service"] == "jupyter-cats"
    assert (found["port"], found["pid"], found["access"], found["base"]) == (8888, 7, "token", "/")
    assert "s3cret" not in json.dumps(found) + "".join(rows([CATS]))
    assert to_json(SSH)["base"] is None
