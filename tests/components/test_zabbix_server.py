"""A real Zabbix server takes what the service sends: every item, every trigger, outages and encryption."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gpubox.boxes.monitor_config.zabbix_rules import place
from gpubox.boxes.monitor_config.zabbix_template import AGENT, FRAME_FILE, PUSH, files
from gpubox.common.metrics import DISK, GPU
from gpubox.common.rules.alerts.table import OF_SERVICE
from gpubox.common.severity import Severity
from gpubox.common.zabbix_items import BOX, ITEMS, NO_ALERTS
from gpubox.remote.monitor import zabbix, zabbix_protocol
from gpubox.remote.monitor.zabbix import ZabbixOutlet
from tests.components.parts import program
from tests.components.zabbix_rig import (
    IDENTITY,
    KEY,
    MOUNT,
    complete,
    delivered,
    discovered,
    encrypted_host,
    now,
    odd_box,
    outlet,
    register_ours,
    send,
)
from tests.components.zabbix_server import Row, ZabbixServer, zabbix_server
from tests.remote.bundles import lay
from tests.remote.monitor.frames import alert, frame_of, tick
from tests.remote.running import pythons
from tests.remote.test_recorded import recorded
from tests.samples import UUID_4090, lost_gpu, training_box
from tests.waiting import until

RIG = "rig-7"


@pytest.fixture(scope="module")
def server() -> Iterator[ZabbixServer]:
    """A server with our templates and an action for hosts that register themselves."""
    with zabbix_server() as made:
        for name in ("gpubox_template.yaml", "gpubox_agent.yaml"):
            made.import_template(files()[name])
        register_ours(made)
        yield made


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come within a quarter of a second."""
    monkeypatch.setattr(zabbix, "LONGEST_DELAY", 0.25)


@pytest.fixture(scope="module")
def rig(server: ZabbixServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ZabbixOutlet]]:
    """A box that registered itself and has its GPUs discovered: its host, and its outlet."""
    with outlet(server, tmp_path_factory.mktemp("rig"), RIG) as made:
        yield discovered(server, made, RIG), made


def test_templates_import_again_over_themselves(server: ZabbixServer) -> None:
    for name in ("gpubox_template.yaml", "gpubox_agent.yaml"):
        server.import_template(files()[name])
    template = server.template(PUSH.name)
    count = server.api("item.get", templateids=[template], countOutput=True)
    assert int(count) == 1 + sum(len(ITEMS[subject]) for subject in ("box", "host", "jobs"))
    (dashboard,) = server.api("templatedashboard.get", templateids=[template], selectPages="extend")
    assert [len(page["widgets"]) for page in dashboard["pages"]] == [3, 5]


def test_every_item_has_a_value(server: ZabbixServer, rig: tuple[str, ZabbixOutlet]) -> None:
    host, made = rig
    lost = lost_gpu()
    samples = (complete(), odd_box(replace(lost, gpus=lost.gpus[::-1])), *recorded("probe-server"))

    def without() -> list[str]:
        for sample in samples:  # again and again: what comes before its item is lost
            delivered(made, frame_of(sample))
        items = server.items(host)
        names: dict[str, bool] = {}
        for key, row in items.items():
            name = key.partition("[")[0]
            names[name] = names.get(name, False) or row["lastclock"] != "0"
        expected = {item.key for rows in ITEMS.values() for item in rows}
        assert expected <= {*names}, expected - {*names}
        return [name for name, valued in names.items() if not valued and name != "gpubox.frame"]

    until(lambda: not without(), without)
    items = server.items(host)
    assert {key: row["error"] for key, row in items.items() if row["state"] != "0"} == {}
    (odd,) = [row for key, row in items.items() if key.startswith("gpubox.disk.total[") and "quoted" in key]
    assert odd["lastclock"] != "0"
    (owned,) = [
        row for key, row in items.items() if key.startswith("gpubox.owner.gpu_memory[") and "neil" in key
    ]
    assert owned["lastclock"] != "0"


def test_every_trigger_fires_with_its_words_and_recovers(
    server: ZabbixServer, rig: tuple[str, ZabbixOutlet]
) -> None:
    host, made = rig
    subjects = {GPU: ("gpu 1", UUID_4090), DISK: (f"disk {MOUNT}", ""), BOX: ("host", "")}
    rules, seen = OF_SERVICE, iter(range(1_000_000))

    def fired() -> bool:
        # Another text each time: unchanged alerts are discarded, and a trigger may not be loaded yet.
        text = f"91 °C of \\1 {{x}} {next(seen)}"
        alerts = [alert(rule.code, *subjects[place(rule)], text=text) for rule in rules]
        delivered(made, frame_of(odd_box(training_box()), alerts=alerts))
        return len(server.problems(host)) >= len(rules)

    until(fired, lambda: server.problems(host))
    found = {row["name"].rstrip("0123456789"): row for row in server.problems(host)}
    assert len(found) == len(rules)
    priorities = {Severity.WARNING: "2", Severity.CRITICAL: "4"}
    for rule in rules:
        begin = {GPU: "GPU 1 (NVIDIA GeForce RTX 4090): ", DISK: f"Disk {MOUNT}: "}.get(rule.subject, "")
        row = found[f"{begin}title of {rule.code}: 91 °C of \\1 {{x}} "]
        assert row["severity"] == priorities[rule.severity]
        assert {"tag": "rule", "value": rule.code} in row["tags"]
    calm = frame_of(odd_box(training_box()), alerts=[])
    delivered(made, calm)
    until(lambda: not server.problems(host), lambda: server.problems(host))


def test_problems_of_a_gpu_that_is_gone_end_and_its_owners_hold_nothing(
    server: ZabbixServer, rig: tuple[str, ZabbixOutlet]
) -> None:
    host, made = rig
    box = odd_box(training_box())
    seen = iter(range(1_000_000))

    def fired() -> bool:
        lost = alert("gpu-lost", "gpu 1", UUID_4090, text=str(next(seen)))
        delivered(made, frame_of(box, alerts=[lost]))
        return bool(server.problems(host))

    until(fired, lambda: server.items(host))
    fewer = replace(box, gpus=box.gpus[:1], processes=())
    delivered(made, frame_of(fewer, alerts=[]))
    until(lambda: not server.problems(host), lambda: server.problems(host))
    items = server.items(host)
    assert items[f'gpubox.gpu.alerts["{UUID_4090}"]']["lastvalue"] == NO_ALERTS

    def held() -> list[str]:
        rows = server.items(host).items()
        return [row["lastvalue"] for key, row in rows if key.startswith("gpubox.owner.gpu_memory[")]

    assert len(held()) > 1
    until(lambda: {*held()} == {"0"}, held)


def test_after_an_outage_every_frame_is_in_the_history_at_its_time(
    server: ZabbixServer, rig: tuple[str, ZabbixOutlet]
) -> None:
    host, made = rig
    item = server.items(host)["gpubox.jobs.running"]["itemid"]
    begin = int(time.time()) - 1000
    server.stop()
    expected: list[tuple[int, int, str]] = []
    for number in range(130):
        made.offer({**tick(number), "time": begin + number * 5 + 0.5})
        expected.append((begin + number * 5, 500_000_000, str(number)))
        until(lambda number=number: len(made.spool) == number + 1, made.status)
    until(lambda: "130 frames wait" in made.status()["words"], made.status)
    assert "nothing listens there" in made.status()["words"]
    server.start()

    def history() -> list[tuple[int, int, str]]:
        rows = server.api(
            "history.get",
            itemids=[item],
            history=3,
            output="extend",
            sortfield="clock",
            time_from=begin,
            time_till=begin + 129 * 5,
        )
        return [(int(row["clock"]), int(row["ns"]), row["value"]) for row in rows]

    until(lambda: len(history()) >= 130, lambda: (made.status(), history()))
    assert history() == expected


@pytest.fixture
def psk(tmp_path: Path) -> Row:
    """The configuration of an outlet with a key."""
    file = tmp_path / "psk"
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    return {"psk_identity": IDENTITY, "psk_file": str(file)}


def test_a_host_that_demands_a_key_refuses_without_and_takes_frames_of_zabbix_own_sender(
    server: ZabbixServer, tmp_path: Path, psk: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zabbix_protocol, "tls_psk", lambda: False)
    program("zabbix_sender")
    monkeypatch.setenv("PATH", f"{Path(program('zabbix_sender')).parent}{os.pathsep}{os.environ['PATH']}")
    host = encrypted_host(server, "psk-sender")
    with outlet(server, tmp_path / "plain", "psk-sender") as made:
        made.offer(now(tick(1)))
        until(lambda: "does not let psk-sender in: " in made.status()["words"], made.status)
        assert made.status()["sent"] == 0
    with outlet(server, tmp_path / "secret", "psk-sender", **psk) as made:
        big = {**frame_of(training_box()), "alerts": [alert("gpu-warm", 'gpu "9"\\', "x" * 200)] * 400}
        delivered(made, big)
        until(lambda: server.items(host)["gpubox.gpu_count"]["lastvalue"] == "2", made.status)


SENDS = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from gpubox.remote.monitor import zabbix
zabbix.LONGEST_DELAY = 0.25
outlet = zabbix.ZabbixOutlet(json.loads(sys.argv[2]), sys.argv[3])
outlet.start()
for line in sys.stdin:
    outlet.offer(json.loads(line))
while not outlet.sent:
    time.sleep(0.01)
outlet.close()
"""


def test_a_python_with_psk_encrypts_by_itself(server: ZabbixServer, tmp_path: Path, psk: Row) -> None:
    able = [path for version, path in pythons().items() if version >= (3, 13) and _has_psk(path)]
    if not able:
        pytest.skip("no Python here has TLS-PSK, which came with 3.13")
    host = encrypted_host(server, "psk-python")
    home = lay(tmp_path / "program", "gpubox.remote.monitor.zabbix")
    config = {"server": "127.0.0.1", "port": server.port, "host": "psk-python", **psk}
    command = [able[-1], "-I", "-S", "-c", SENDS, str(home), json.dumps(config), str(tmp_path)]
    frame = json.dumps(now(frame_of(training_box())))
    subprocess.run(command, input=frame.encode(), check=True, timeout=300, env={"PATH": ""})
    until(lambda: server.items(host)["gpubox.gpu_count"]["lastvalue"] == "2", str)


def _has_psk(python: str) -> bool:
    asked = subprocess.run([python, "-I", "-c", "import ssl; assert ssl.HAS_PSK"], capture_output=True)
    return asked.returncode == 0


def test_zabbix_agent_reads_the_file(server: ZabbixServer, tmp_path: Path) -> None:
    (group,) = server.api("hostgroup.get", filter={"name": ["Linux servers"]}, output=["groupid"])
    made = server.api(
        "host.create",
        host="with-agent",
        groups=[{"groupid": group["groupid"]}],
        templates=[{"templateid": server.template(AGENT.name)}],
        macros=[{"macro": "{$GPUBOX.INTERVAL}", "value": "1s"}],
    )
    host = str(made["hostids"][0])
    file = tmp_path / "frame.json"
    conf = files()["gpubox_agent.conf"].replace(FRAME_FILE, str(file))
    lines = [f"LogFile={tmp_path}/agent.log", f"PidFile={tmp_path}/agent.pid", "Server=127.0.0.1"]
    lines += [f"ServerActive=127.0.0.1:{server.port}", "StartAgents=0", "Hostname=with-agent", "AllowRoot=1"]
    (tmp_path / "agent.conf").write_text("\n".join([*lines, "BufferSend=1", "RefreshActiveChecks=60", conf]))
    # An agent that asks before the server knows its host asks again only after a minute.
    asked = zabbix_protocol.registration("with-agent", "")
    address = zabbix_protocol.Address("127.0.0.1", server.port)
    until(lambda: zabbix_protocol.call(address, asked).get("data"), str)
    writer = ZabbixOutlet({"file": str(file)}, str(tmp_path / "folder"))
    writer.start()
    command = [program("zabbix_agentd"), "-f", "-c", str(tmp_path / "agent.conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as agent:
        try:
            key = f'gpubox.gpu.temperature["{UUID_4090}"]'
            until(lambda: send(writer) and server.items(host).get(key, {}).get("lastvalue") == "61", str)
        finally:
            writer.close()
            agent.terminate()
