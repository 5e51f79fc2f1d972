"""The service is killed again and again while it sends to Zabbix: nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

from tests.remote.bundles import lay
from tests.remote.monitor.test_zabbix import running
from tests.remote.monitor.trapper import Trapper

SERVICE = """
import sys, time
sys.path.insert(0, sys.argv[1])
sys.path.insert(0, sys.argv[2])
from gpubox.remote.monitor import zabbix
zabbix.LONGEST_DELAY = 0.02
outlet = zabbix.ZabbixOutlet({"server": "127.0.0.1", "port": int(sys.argv[3]), "host": "rig"}, sys.argv[2])
outlet.start()

def stored():
    with outlet.spool._lock:  # what is counted under it is written
        return outlet.spool._last

number = int(sys.argv[4])
while number < int(sys.argv[5]):
    last = stored()
    frame = {"time": 1000000000.25 + number, "changes": [1], "jobs": {"running": number}}
    outlet.offer(frame)
    while stored() == last:
        time.sleep(0.0005)
    print(number, flush=True)
    number += 1
while len(outlet.spool):
    time.sleep(0.001)
outlet.close()
print("done", flush=True)
"""


def resent_later(trapper: Trapper) -> set[int]:
    """Frames that were sent again after a later request: the server had confirmed them, and that was known.

    A killed process may not have known of its very last request.
    """
    seen: set[int] = set()
    last: set[int] = set()
    again: set[int] = set()
    for request in trapper.requests:
        if "data" in request:
            now = {row["clock"] for row in request["data"]}
            again |= now & (seen - last)
            seen |= now
            last = now
    return again


def test_twenty_kills_lose_nothing_and_nothing_is_in_the_history_twice(tmp_path: Path, python: str) -> None:
    program = lay(tmp_path / "program", "gpubox.remote.monitor.zabbix")
    folder = tmp_path / "state"
    folder.mkdir()
    trapper, choice = Trapper("rig"), random.Random(7)
    stored: list[int] = []

    def start(number: int, end: int) -> subprocess.Popen[bytes]:
        arguments = [str(program), str(folder), str(trapper.port), str(number), str(end)]
        return subprocess.Popen(
            [python, "-I", "-S", "-c", SERVICE, *arguments], stdout=subprocess.PIPE, env={"PATH": ""}
        )

    with trapper.serving():
        number = 0
        for _ in range(20):
            with start(number, 1 << 30) as process:
                assert process.stdout
                stored += [int(process.stdout.readline()) for _ in range(choice.randint(1, 12))]
                process.kill()
                stored += [int(line) for line in process.stdout.read().splitlines()]
            number = stored[-1] + 2  # one may be stored that was not said
        with start(number, number) as process:
            assert process.stdout
            assert process.stdout.read() == b"done\n"
    arrived = running(trapper)
    assert set(stored) <= set(arrived)
    assert len(set(arrived)) == len(arrived)
    assert arrived == sorted(arrived)
    assert resent_later(trapper) == set()
    assert len(os.listdir(folder / "zabbix")) <= 3
