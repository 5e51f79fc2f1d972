"""A configuration for Prometheus that scrapes boxes."""

from __future__ import annotations

from typing import Any, Dict

from gpubox.common.prometheus.alert_rules import JOB
from gpubox.common.prometheus.endpoint import ADDRESS, PATH, PORT

RULES_FILE = "gpubox.rules.yml"

WORDS = f"""\
Prometheus reads the gpubox-tui service of your boxes. Take what you need into your prometheus.yml.

The service serves http://{ADDRESS}:{PORT}{PATH} on the box, for the box alone. There are two ways to it:

1. Through a tunnel from the machine of Prometheus, held open by ssh or by gpubox-tui. Each box has a port of
   its own there, and its name as `instance`, which alerts and the dashboard show:
     ssh -N -L {ADDRESS}:{PORT}:{ADDRESS}:{PORT} attic
     gpubox-tui tunnel lab1 {PORT + 1}:{ADDRESS}:{PORT}
2. Over your network: set `address` of the outlet to an address of the box, and scrape that. Nothing is
   encrypted and nobody has to log in, so let a firewall pass Prometheus only.

A target whose readings are stale answers 503: it is down, and GpuboxDown fires after two minutes."""


def scrape_config() -> Dict[str, Any]:
    """Return the whole configuration, with two boxes as an example."""
    boxes = {"attic": PORT, "lab1": PORT + 1}
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [RULES_FILE],
        "scrape_configs": [
            {
                "job_name": JOB,
                "metrics_path": PATH,
                "static_configs": [
                    {"targets": [f"{ADDRESS}:{port}"], "labels": {"instance": box}}
                    for box, port in boxes.items()
                ],
            }
        ],
    }
