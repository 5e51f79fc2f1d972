"""The check of services that let everybody in."""

from __future__ import annotations

import pytest

from gpubox.boxes.checks.check import Outcome, Result
from gpubox.boxes.checks.web.facts import WebFacts
from tests.boxes.checks.facts import judge
from tests.boxes.services.samples import PYTHON, Given

NOW = 1_795_000_000.0


def listening(line: str, port: int, host: str = "0.0.0.0", token: str | None = None) -> Result:
    box = Given()
    pid = box.listens(port, line, host=host)
    if token is not None:
        box.jupyter_file(pid, port, "/srv", token=token)
    return judge("web.open-doors", WebFacts(NOW, services=box.facts))


@pytest.mark.parametrize(
    ("line", "port", "host", "token", "expected"),
    [
        (f"{PYTHON} /env/bin/jupyter-lab", 8888, "0.0.0.0", "", Outcome.FAILED),
        (f"{PYTHON} /env/bin/jupyter-lab", 8888, "::", "", Outcome.FAILED),
        (f"{PYTHON} /env/bin/jupyter-lab", 8888, "10.0.0.7", "", Outcome.FAILED),
        (f"{PYTHON} /env/bin/jupyter-lab", 8888, "0.0.0.0", "set", Outcome.HINT),
        (f"{PYTHON} /env/bin/jupyter-lab", 8888, "0.0.0.0", None, Outcome.HINT),
        (f"{PYTHON} /env/bin/jupyter-lab", 8888, "127.0.0.1", "", Outcome.NOT_HERE),
        (f"{PYTHON} /env/bin/jupyter-lab", 8888, "100.101.102.103", "", Outcome.NOT_HERE),  # Tailscale
        (f"{PYTHON} /env/bin/tensorboard", 6006, "0.0.0.0", None, Outcome.WARNING),
        ("code-server --auth none", 8080, "0.0.0.0", None, Outcome.FAILED),
        ("code-server", 8080, "0.0.0.0", None, Outcome.HINT),
        ("Xtigervnc :1 -SecurityTypes None", 5901, "0.0.0.0", None, Outcome.FAILED),
        ("Xtigervnc :1 -SecurityTypes=None", 5901, "0.0.0.0", None, Outcome.FAILED),
        ("Xtigervnc :1 -SecurityTypes set", 5901, "0.0.0.0", None, Outcome.WARNING),
        ("x11vnc -forever", 5900, "0.0.0.0", None, Outcome.FAILED),
        ("x11vnc -rfbauth set", 5900, "0.0.0.0", None, Outcome.WARNING),
        ("redis-server *:6379", 6379, "0.0.0.0", None, Outcome.HINT),
        ("sshd", 22, "0.0.0.0", None, Outcome.OK),
        ("nginx: master process", 443, "0.0.0.0", None, Outcome.OK),
        ("node_exporter", 9100, "0.0.0.0", None, Outcome.OK),
    ],
)
def test_services_that_let_everybody_in_are_named(
    line: str, port: int, host: str, token: str | None, expected: Outcome
) -> None:
    assert listening(line, port, host, token).outcome is expected


def test_the_worst_of_several_services_comes_first() -> None:
    box = Given()
    box.listens(6006, f"{PYTHON} /env/bin/tensorboard", host="0.0.0.0")
    box.listens(8080, "code-server --auth none", host="0.0.0.0")
    result = judge("web.open-doors", WebFacts(NOW, services=box.facts))
    assert (result.outcome, result.value) == (Outcome.FAILED, "1")
    assert "code-server at port 8080" in result.text
    assert "TensorBoard" in result.details[0]
