"""Kinds of services: each is known by its command line, and can be typed."""

from __future__ import annotations

import re

import pytest

from gpubox.boxes.services import Access
from gpubox.boxes.services.classify import read
from gpubox.boxes.services.kinds import KINDS
from gpubox.core.tunnel_spec import parse
from tests.boxes.services.samples import PYTHON, Given


@pytest.mark.parametrize(
    ("port", "line", "kind", "page"),
    [
        (8888, f"{PYTHON} /home/ada/env/bin/jupyter-lab --no-browser", "jupyter", True),
        (8888, f"{PYTHON} -m jupyterlab", "jupyter", True),
        (8889, f"{PYTHON} -m notebook --port 8889", "jupyter", True),
        (8888, f"{PYTHON} -X dev -W ignore -m jupyter_server", "jupyter", True),
        (8000, f"{PYTHON} /opt/hub/bin/jupyterhub", "jupyterhub", True),
        (40001, f"{PYTHON} -m ipykernel_launcher -f k.json", "jupyter-kernel", False),
        (6006, f"{PYTHON} /home/ada/env/bin/tensorboard --logdir runs", "tensorboard", True),
        (6006, f"{PYTHON} -m tensorboard.main --logdir=runs", "tensorboard", True),
        (8080, "/usr/lib/code-server/lib/node /usr/lib/code-server", "code-server", True),
        (8000, "/usr/bin/code serve-web --port 8000", "vscode", True),
        (3000, "/opt/openvscode-server/node /opt/openvscode-server/out/server-main.js", "vscode", True),
        (41000, "/home/ada/.vscode-server/bin/abc/node out/server-main.js", "vscode-remote", False),
        (8265, f"{PYTHON} /env/ray/dashboard/dashboard.py --port=8265", "ray", True),
        (6379, "/env/ray/core/src/ray/gcs/gcs_server --redis", "ray-internal", False),
        (5000, f"{PYTHON} /home/ada/env/bin/mlflow ui", "mlflow", True),
        (5000, f"{PYTHON} -m uvicorn mlflow.server.fastapi_app:app", "mlflow", True),
        (8501, f"{PYTHON} /home/ada/env/bin/streamlit run app.py", "streamlit", True),
        (7860, f"{PYTHON} app.py", "gradio", True),
        (9000, f"{PYTHON} app.py", "", False),
        (8188, f"{PYTHON} main.py --listen", "comfyui", True),
        (8000, f"{PYTHON} /home/ada/env/bin/vllm serve llama", "vllm", True),
        (8000, f"{PYTHON} -m vllm.entrypoints.openai.api_server", "vllm", True),
        (11434, "/usr/local/bin/ollama serve", "ollama", True),
        (45123, "/usr/local/bin/ollama runner --model x --port 45123", "ollama-internal", False),
        (45124, "VLLM::EngineCore", "vllm-internal", False),
        (8001, "tritonserver --model-repository=/models", "triton", False),
        (9090, "/usr/bin/prometheus --config.file=p.yml", "prometheus", True),
        (3000, "/usr/share/grafana/bin/grafana server", "grafana", True),
        (19999, "/usr/sbin/netdata -D", "netdata", True),
        (10051, "/usr/sbin/zabbix_server -c z.conf", "zabbix-server", False),
        (8000, "python3 -m http.server", "files", True),
        (8000, f"{PYTHON} /home/ada/env/bin/uvicorn app:app", "web", True),
        (5432, "/usr/lib/postgresql/15/bin/postgres -D data", "postgres", False),
        (22, "sshd: /usr/sbin/sshd -D [listener]", "ssh", False),
        (5901, "/usr/bin/Xtigervnc :1", "desktop", False),
    ],
)
def test_each_kind_is_named_by_its_command_line(port: int, line: str, kind: str, page: bool) -> None:
    given = Given()
    given.listens(port, line)
    (service,) = read(given.facts)
    assert (service.kind, service.page) == (kind, page)


def test_every_kind_has_its_own_words_and_expressions_that_compile() -> None:
    for kind in KINDS:
        re.compile(kind.program)
        re.compile(kind.line)
        assert Access(kind.access)
        assert kind.program or kind.line, kind.name
        assert parse(kind.id).spec is None, f"{kind.id} could not be typed"
        assert bool(kind.ports) >= kind.bound
