"""The files of `config/prometheus`, generated."""

from __future__ import annotations

import json
from typing import Callable, Mapping

from gpubox.common.prometheus.alert_rules import rule_groups
from gpubox.common.prometheus.dashboard import dashboard
from gpubox.common.prometheus.scrape import RULES_FILE, WORDS, scrape_config
from gpubox.common.yaml_text import yaml

_RULES_WORDS = """\
Alerts of gpubox-tui for Prometheus: one for each rule by which the service judges its box. The service
decides, with its own thresholds; the rules here repeat that, and GpuboxDown fires when it is silent."""

FILES: Mapping[str, Callable[[], str]] = {
    "scrape.yml": lambda: yaml(scrape_config(), WORDS),
    RULES_FILE: lambda: yaml(rule_groups(), _RULES_WORDS),
    "dashboard.json": lambda: json.dumps(dashboard(), ensure_ascii=False, indent=2) + "\n",
}
"""The text of each file by its name."""
