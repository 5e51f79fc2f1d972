"""The state of the service in words."""

from msgspec.structs import replace

from gpubox.boxes.monitor import MonitorStatus, OutletStatus, wording

RUNNING = MonitorStatus(
    now=100_000.0,
    installed=True,
    running=True,
    way="cron",
    pid=7,
    version="0123456789abcdef",
    python="3.11.2",
    started=100_000.0 - 7200,
    interval=10.0,
    age=4.0,
    cpu=0.06,
    memory=18 << 20,
    gpus=8,
    alerts=1,
)


def test_what_runs_is_said_with_its_cost_and_its_age() -> None:
    rows = dict(wording.facts(RUNNING, old=False))
    assert wording.headline(RUNNING) == "The service has been running for 2h 00m"
    assert rows == {
        "starts": "at boot, by your crontab",
        "version": "0123456789abcdef, current",
        "newest": "4s ago, of 8 GPUs, 1 alert active",
        "interval": "10 s",
        "cost": "0.1% of a core, 18.0M of memory, Python 3.11.2",
        "outlets": "none: nothing leaves the box",
    }
    assert wording.troubles(RUNNING) == []
    assert dict(wording.facts(RUNNING, old=True))["version"].endswith("another one is here: update it")


def test_each_outlet_says_how_it_is() -> None:
    outlets = (
        OutletStatus("prometheus", True, "serves http://[::1]:9500"),
        OutletStatus("zabbix", False, "no\x1b"),
    )
    rows = dict(wording.facts(replace(RUNNING, outlets=outlets), old=False))
    assert rows["prometheus"] == "serves http://[::1]:9500"
    assert rows["zabbix"].startswith("does not work: no")
    assert "\x1b" not in rows["zabbix"]


def test_what_does_not_run_says_only_how_it_starts() -> None:
    off = MonitorStatus(now=1.0)
    assert (wording.headline(off), wording.facts(off, old=False)) == ("The service is not installed", [])
    stopped = replace(off, installed=True, way="systemd")
    assert wording.headline(stopped) == "The service is installed, but does not run"
    assert [name for name, _ in wording.facts(stopped, old=False)] == ["starts"]
    fresh = replace(stopped, running=True)
    assert wording.headline(fresh) == "The service is starting"


def test_troubles_are_named() -> None:
    sick = replace(RUNNING, age=500.0, config="no JSON", trouble="OSError", faults=("hang",))
    assert wording.troubles(sick) == [
        "The configuration is not used: no JSON",
        "The newest sample was not handed out: OSError",
        "It runs, but has taken no sample for 8m 20s",
        "The GPUs cannot be read: hang",
    ]
    assert not replace(RUNNING, age=40.0).late
