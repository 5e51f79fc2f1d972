"""Kinds of services: a table of how each is recognized, and what its page needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceKind:
    """A kind of service; the first match of the table wins."""

    id: str
    """What people type; also the beginning of the service's key."""
    name: str
    program: str = ""
    """Regular expression for the full name of the program, script or module."""
    line: str = ""
    """Regular expression to search for in the command line."""
    ports: Collection[int] = ()
    """Its usual ports; they decide where the program does not."""
    bound: bool = False
    """Whether it must be on a usual port, because its programs do other things as well."""
    page: str = ""
    """Path of its page; None when a browser cannot show it."""
    access: str = "unknown"
    system: bool = False
    about: tuple[str, ...] = ()
    """Options that name what it is about."""
    base: tuple[str, ...] = ()
    """Options that put its page elsewhere."""
    token: tuple[str, ...] = ()
    """Options that give its token."""
    parameter: str = "token"
    local: bool = False
    """Whether it works on the folder that it was started in."""


KINDS: tuple[ServiceKind, ...] = (
    ServiceKind(
        "jupyter-kernel",
        "Jupyter kernel",
        r"ipykernel(_launcher|\.kernelapp)?|ir|xpython",
        system=True,
    ),
    ServiceKind(
        "jupyterhub", "JupyterHub", "jupyterhub|configurable-http-proxy", page="/", access="password"
    ),
    ServiceKind(
        "jupyter",
        "Jupyter",
        r"jupyter(-\w+|_server|hub-singleuser)?|jupyterlab|notebook|nbclassic",
        page="/",
        base=("--ServerApp.base_url", "--NotebookApp.base_url"),
        token=("--IdentityProvider.token", "--ServerApp.token", "--NotebookApp.token"),
        about=(
            "--ServerApp.root_dir",
            "--notebook-dir",
            "--ServerApp.notebook_dir",
            "--NotebookApp.notebook_dir",
        ),
        local=True,
    ),
    ServiceKind(
        "tensorboard",
        "TensorBoard",
        r"tensorboard(\.main)?",
        page="/",
        access="open",
        about=("--logdir", "--logdir_spec"),
        base=("--path_prefix",),
    ),
    ServiceKind(
        "code-server", "code-server", "code-server", r"/code-server/", page="/", access="password", local=True
    ),
    ServiceKind(
        "vscode",
        "VS Code",
        "openvscode-server",
        r"\bserve-web\b|/openvscode-server|/serve-web/",
        page="/",
        token=("--connection-token",),
        parameter="tkn",
        base=("--server-base-path",),
    ),
    ServiceKind(
        "vscode-remote", "VS Code's own server", line=r"[.-]vscode-server|\.cursor-server", system=True
    ),
    ServiceKind(
        "ray",
        "Ray dashboard",
        line=r"ray/dashboard/(dashboard|head)\.py|ray-dashboard|DashboardHead",
        ports=range(8265, 8270),
        bound=True,
        page="/",
        access="open",
    ),
    ServiceKind(
        "ray-internal",
        "part of Ray",
        r"raylet|gcs_server|ray::.*",
        r"/ray/(dashboard|_private|core|autoscaler)|^ray::",
        system=True,
    ),
    ServiceKind(
        "mlflow",
        "MLflow",
        "mlflow",
        r"\bmlflow\.server",
        page="/",
        about=("--backend-store-uri",),
        base=("--static-prefix",),
    ),
    ServiceKind(
        "streamlit",
        "Streamlit",
        "streamlit",
        page="/",
        access="open",
        base=("--server.baseUrlPath",),
        local=True,
    ),
    ServiceKind(
        "marimo",
        "marimo",
        "marimo",
        page="/",
        access="password",
        token=("--token-password",),
        parameter="access_token",
        local=True,
    ),
    ServiceKind("gradio", "Gradio", "gradio", ports=(), page="/", local=True),
    ServiceKind("comfyui", "ComfyUI", line=r"ComfyUI/main\.py", page="/", access="open"),
    ServiceKind("comfyui", "ComfyUI", r"main\.py", ports=(8188,), bound=True, page="/", access="open"),
    ServiceKind(
        "dask",
        "Dask dashboard",
        r"dask(-scheduler)?|distributed.*",
        ports=range(8787, 8790),
        bound=True,
        page="/status",
        access="open",
    ),
    ServiceKind("rstudio", "RStudio", "rserver", page="/", access="password"),
    ServiceKind("aim", "Aim", "aim", page="/", access="open"),
    ServiceKind("optuna", "Optuna dashboard", "optuna-dashboard", page="/", access="open"),
    ServiceKind("label-studio", "Label Studio", "label-studio", page="/", access="password"),
    ServiceKind("prometheus", "Prometheus", "prometheus", ports=(9090,), page="/", access="open"),
    ServiceKind("grafana", "Grafana", "grafana(-server)?", ports=(3000,), page="/", access="password"),
    ServiceKind("netdata", "Netdata", "netdata", ports=(19999,), page="/", access="open"),
    ServiceKind("zabbix-server", "Zabbix server", r"zabbix_(server|proxy)", ports=(10051,)),
    ServiceKind("zabbix-agent", "Zabbix agent", r"zabbix_agent[d2]?", ports=(10050,), system=True),
    ServiceKind("vllm-internal", "part of vLLM", r"VLLM::.*", system=True),
    ServiceKind("vllm", "vLLM", "vllm", r"\bvllm\b", page="/docs"),
    ServiceKind("sglang", "SGLang", r"sglang.*", r"\bsglang\.launch_server", page="/docs"),
    ServiceKind(
        "ollama-internal", "part of Ollama", line=r"ollama\S* runner\b|ollama_llama_server", system=True
    ),
    ServiceKind("ollama", "Ollama", "ollama", ports=(11434,), page="/", access="open"),
    ServiceKind("llama", "llama.cpp", "llama-server", page="/"),
    ServiceKind("tgi", "Text Generation Inference", r"text-generation-(router|launcher)", page="/docs"),
    ServiceKind("triton", "Triton", "tritonserver", ports=(8000, 8001, 8002)),
    ServiceKind(
        "dcgm-exporter", "DCGM exporter", "dcgm-exporter", ports=(9400,), page="/metrics", access="open"
    ),
    ServiceKind(
        "node-exporter",
        "node exporter",
        "(prometheus-)?node[_-]exporter",
        ports=(9100,),
        page="/metrics",
        access="open",
        system=True,
    ),
    ServiceKind("postgres", "PostgreSQL", "postgres|postmaster", ports=(5432,)),
    ServiceKind("mysql", "MySQL", "mysqld|mariadbd", ports=(3306, 33060)),
    ServiceKind("redis", "Redis", r"redis-server.*|valkey-server.*", ports=(6379,)),
    ServiceKind("mongodb", "MongoDB", "mongod", ports=(27017,)),
    ServiceKind("minio", "MinIO", "minio", page="/", access="password"),
    ServiceKind(
        "container", "container", "docker-proxy|rootlessport|rootlesskit", about=("-container-port",)
    ),
    ServiceKind("files", "files", r"http\.server|SimpleHTTPServer", page="/", access="open", local=True),
    ServiceKind(
        "gradio", "Gradio", r"python[\d.]*|.*\.py", ports=range(7860, 7960), bound=True, page="/", local=True
    ),
    ServiceKind(
        "web",
        "web app",
        r"uvicorn|gunicorn|hypercorn|flask|daphne|waitress-serve|vite|next-server.*|webpack.*",
        page="/",
        local=True,
    ),
    ServiceKind("web-server", "web server", "nginx|apache2|httpd|caddy|lighttpd", ports=(80, 443), page="/"),
    ServiceKind("ssh", "ssh", r"sshd.*|dropbear", ports=(22,), system=True),
    ServiceKind(
        "desktop",
        "desktop",
        r"X(tiger|turbo)?vnc|x11vnc|x0(tiger)?vncserver|Xorg|vino-server|xrdp.*",
        system=True,
    ),
    ServiceKind(
        "names",
        "name service",
        r"systemd-resolve[d]?|dnsmasq|named|avahi-daemon|unbound",
        ports=(53,),
        system=True,
    ),
    ServiceKind("rpc", "RPC", r"rpcbind|rpc\..*", ports=(111, 2049), system=True),
    ServiceKind("printing", "printing", "cupsd", ports=(631,), system=True),
    ServiceKind("mail", "mail", "exim4|master|sendmail.*", ports=(25,), system=True),
    ServiceKind(
        "cluster",
        "cluster agent",
        r"kubelet|kube-.*|k3s.*|containerd|dockerd|etcd|calico.*|slurmd|slurmctld|munged",
        system=True,
    ),
    ServiceKind(
        "system",
        "system",
        r"systemd.*|init|chronyd|ntpd|snmpd|smbd|nmbd|winbindd|xinetd|inetd|tailscaled|multipathd|"
        r"nvidia-.*|nv-hostengine|fabricmanager",
        system=True,
    ),
)
"""In the order of matching."""

ZABBIX = ServiceKind("zabbix", "Zabbix", page="/", access="password")
"""Zabbix: a web server serves it, so only its configuration identifies it."""
