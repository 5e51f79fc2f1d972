"""Outlets as people write them on the command line, and the configuration that the service takes."""

from __future__ import annotations

import tomllib

import msgspec

from gpubox.boxes.monitor.monitor import OutletConfig
from gpubox.core.bounds import whole
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean

OFF = "off"
"""Stands for an outlet that is to be removed."""


def prometheus(text: str) -> OutletConfig | None:
    """Return the configuration for `[ADDRESS:]PORT`, None for `off`; raises ConfigError."""
    if text == OFF:
        return None
    address, _, port = text.rpartition(":")
    row: dict[str, object] = {"port": _port(port, text)}
    if address:
        row["address"] = address.strip("[]")
    return row


def zabbix(text: str) -> OutletConfig | None:
    """Return the configuration for `HOST[:PORT]`, None for `off`; raises ConfigError."""
    if text == OFF:
        return None
    if text.count(":") == 1 or "]:" in text:
        host, _, port = text.rpartition(":")
        return {"server": _host(host, text), "port": _port(port, text)}
    return {"server": _host(text, text)}


def messages(text: str) -> OutletConfig:
    """Return the configuration for messages from TOML with a `[[channel]]` for each way; raises ConfigError.

    The service checks what each kind needs: see remote/monitor/message_channels.py.
    """
    hint = 'Such as: [[channel]], kind = "ntfy", url = "https://ntfy.sh/TOPIC", a line each'
    try:
        found = tomllib.loads(text)
        return {"channels": msgspec.convert(found.get("channel", []), list[dict[str, str | int]])}
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError("No channels for messages", clean(str(error), 200), hint) from None


def with_psk(outlet: OutletConfig, identity: str, psk: str) -> OutletConfig:
    """Return the configuration with a pre-shared key; raises ConfigError for a key that is none."""
    key = psk.strip()
    if len(key) < 32 or len(key) % 2 or set(key.lower()) - set("0123456789abcdef"):
        text = "Zabbix takes 32 to 512 hexadecimal digits"
        raise ConfigError("Not a pre-shared key", text, "Make one: openssl rand -hex 32")
    return {**outlet, "psk_identity": identity, "psk": key}


def _host(host: str, text: str) -> str:
    name = host.strip("[]")
    if not name or any(character.isspace() or character in "/@" for character in name):
        raise ConfigError("Not a Zabbix server", clean(text, 80), "Write HOST or HOST:PORT")
    return name


def _port(port: str, text: str) -> int:
    number = whole(port)
    if number is None or not 0 < number < 65536:
        raise ConfigError("Not a port", clean(text, 80), "Ports are numbers from 1 to 65535")
    return number
