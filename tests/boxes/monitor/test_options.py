"""Outlets as they are written on the command line."""

import pytest

from gpubox.boxes.monitor.outlet_options import prometheus, with_psk, zabbix
from gpubox.core.errors import ConfigError

KEY = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("9500", {"port": 9500}),
        ("0.0.0.0:9500", {"address": "0.0.0.0", "port": 9500}),
        ("[::1]:9500", {"address": "::1", "port": 9500}),
        ("off", None),
    ],
)
def test_prometheus_listens_at_a_port_and_perhaps_an_address(text: str, config: object) -> None:
    assert prometheus(text) == config


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("zabbix.lan", {"server": "zabbix.lan"}),
        ("zabbix.lan:20051", {"server": "zabbix.lan", "port": 20051}),
        ("2001:db8::5", {"server": "2001:db8::5"}),
        ("[2001:db8::5]:20051", {"server": "2001:db8::5", "port": 20051}),
        ("off", None),
    ],
)
def test_zabbix_is_a_host_and_perhaps_a_port(text: str, config: object) -> None:
    assert zabbix(text) == config


@pytest.mark.parametrize("text", ["", "0", "65536", "x", "host:", "9" * 30])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Not a port"):
        prometheus(text)


@pytest.mark.parametrize("text", ["", "a b", "http://zabbix", "ada@zabbix", ":10051"])
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="Not a "):
        zabbix(text)


def test_a_key_comes_with_its_identity() -> None:
    assert with_psk({"server": "z"}, "attic", f" {KEY}\n") == {
        "server": "z",
        "psk_identity": "attic",
        "psk": KEY,
    }
    for wrong in ("", KEY[:-2], KEY[:-1], KEY[:-1] + "g"):
        with pytest.raises(ConfigError, match="pre-shared key") as raised:
            with_psk({}, "attic", wrong)
        assert not wrong or wrong not in str(raised.value)
