"""A box that sends to a real Zabbix server, and samples that have all that Zabbix can be given."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from gpubox.boxes.monitor_config.zabbix_template import PUSH
from gpubox.core.sample import Sample
from gpubox.remote.monitor.zabbix import ZabbixOutlet
from tests.components.zabbix_server import Row, ZabbixServer
from tests.parts import UUID_1070, UUID_4090, h100
from tests.remote.monitor.frames import frame_of
from tests.samples import hot_and_throttled, training_box
from tests.waiting import until

METADATA = "gpubox of the tests"
MOUNT = '/mnt/it\'s "quoted" \\ [1]'
"""A disk whose name has all that JSONPath and keys have to quote."""
USER = "LAB\\o'neil"


def register_ours(server: ZabbixServer) -> None:
    """The action that config/zabbix/README.md describes."""
    (group,) = server.api("hostgroup.get", filter={"name": ["Linux servers"]}, output=["groupid"])
    server.api(
        "action.create",
        name="GPU boxes",
        eventsource=2,
        filter={"evaltype": 0, "conditions": [{"conditiontype": 24, "operator": 2, "value": METADATA}]},
        operations=[
            {"operationtype": 2},
            {"operationtype": 4, "opgroup": [{"groupid": group["groupid"]}]},
            {"operationtype": 6, "optemplate": [{"templateid": server.template(PUSH.name)}]},
        ],
    )


@contextmanager
def outlet(server: ZabbixServer, folder: Path, host: str, **config: object) -> Generator[ZabbixOutlet]:
    settings = {"server": "127.0.0.1", "port": server.port, "host": host, "metadata": METADATA, **config}
    made = ZabbixOutlet(settings, str(folder))
    made.start()
    try:
        yield made
    finally:
        made.close()


def now(frame: Row) -> Row:
    """The frame, as of this moment, so that it goes out at once."""
    return {**frame, "time": time.time(), "changes": [{}]}


def delivered(made: ZabbixOutlet, frame: Row) -> None:
    """Offer a frame and wait until the server has it."""
    before = made.sent
    made.offer(now(frame))
    until(lambda: made.sent > before, made.status)


def discovered(server: ZabbixServer, made: ZabbixOutlet, name: str) -> str:
    """Send frames until Zabbix has made items of GPUs and disks that have values; return the host."""
    host = until(lambda: send(made) and server.host(name, selectParentTemplates=["host"]), made.status)
    assert [one["host"] for one in host["parentTemplates"]] == [PUSH.name]
    needed = {
        f'gpubox.gpu.alerts["{UUID_4090}"]',
        'gpubox.disk.alerts["/data"]',
        'gpubox.owner.gpu_memory["ada"]',
    }

    def there() -> bool:
        send(made)  # values that come before their item are lost
        items = server.items(host["hostid"])
        return all(key in items and items[key]["lastclock"] != "0" for key in needed)

    until(there, made.status)
    return str(host["hostid"])


def send(made: ZabbixOutlet) -> bool:
    made.offer(now(frame_of(odd_box(training_box()))))
    return True


def odd_box(sample: Sample) -> Sample:
    """The same with a disk and a user whose names have to be quoted."""
    disks = sample.host.disks
    odd = replace(disks[0], mount=MOUNT)
    processes = tuple(replace(one, user=USER if one.gpu == 1 else one.user) for one in sample.processes)
    return replace(sample, host=replace(sample.host, disks=(*disks, odd)), processes=processes)


def complete() -> Sample:
    """A sample in which both cards give every reading there is."""
    box = odd_box(hot_and_throttled())
    full = {
        "xid": 63,
        "xid_at": 1e9,
        "retired_pages": 1,
        "fan": 30.0,
        "pcie_rx": 1e6,
        "pcie_tx": 2e6,
        "mig": True,
    }
    gpus = (h100(0, uuid=UUID_1070, **full), h100(1, uuid=UUID_4090, **full))
    machine = replace(box.host, cpu_limit=2.5, memory_limit=1 << 30)
    hung = replace(machine.disks[0], hangs=3.0)
    return replace(box, gpus=gpus, host=replace(machine, disks=(hung, *machine.disks[1:])))


KEY = "5a" * 32
IDENTITY = "gpubox tests"


def encrypted_host(server: ZabbixServer, name: str) -> str:
    """Create a host that takes encrypted values only."""
    (group,) = server.api("hostgroup.get", filter={"name": ["Linux servers"]}, output=["groupid"])
    made = server.api(
        "host.create",
        host=name,
        groups=[{"groupid": group["groupid"]}],
        templates=[{"templateid": server.template(PUSH.name)}],
        tls_accept=2,
        tls_psk_identity=IDENTITY,
        tls_psk=KEY,
    )
    return str(made["hostids"][0])
