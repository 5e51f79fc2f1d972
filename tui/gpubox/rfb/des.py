"""DES for VNC passwords, which know nothing better: eight characters, each with its bits turned around.

It guards nothing here, as the way to the server is ssh: VNC servers only store and only understand this.
The tables are those of FIPS 46-3, bit 1 first.
"""

from __future__ import annotations

from collections.abc import Sequence

_FIRST = bytes.fromhex(
    "3a322a221a120a023c342c241c140c043e362e261e160e06403830282018100839312921191109013b332b231b130b03"
    "3d352d251d150d053f372f271f170f07"
)
_LAST = bytes.fromhex(
    "280830103818402027072f0f37173f1f26062e0e36163e1e25052d0d35153d1d24042c0c34143c1c23032b0b33133b1b"
    "22022a0a32123a1a2101290931113919"
)
_EXPAND = bytes.fromhex(
    "20010203040504050607080908090a0b0c0d0c0d0e0f101110111213141514151617181918191a1b1c1d1c1d1e1f2001"
)
_SPREAD = bytes.fromhex("100714151d0c1c11010f171a05121f0a0208180e201b0309130d1e06160b0419")
_KEY = bytes.fromhex(
    "39312921191109013a322a221a120a023b332b231b130b033c342c243f372f271f170f073e362e261e160e063d352d25"
    "1d150d051c140c04"
)
_ROUND = bytes.fromhex(
    "0e110b180105031c0f06150a17130c041a0810071b140d0229341f252f371e28332d21302c31273822352e2a32241d20"
)
_BOXES = (
    "e4d12fb83a6c59070f74e2d1a6cb953841e8d62bfc973a50fc8249175b3ea06d",
    "f18e6b34972dc05a3d47f28ec01a69b50e7ba4d158c6932fd8a13f42b67c05e9",
    "a09e63f51dc7b428d709346a285ecbf1d6498f30b12c5ae71ad069874fe3b52c",
    "7de3069a1285bc4fd8b56f03472c1ae9a690cb7df13e52843f06a1d8945bc72e",
    "2c417ab6853fd0e9eb2c47d150fa3986421bad78f9c5630eb8c71e2d6f09a453",
    "c1af92680d34e75baf427c9561de0b389ef528c3704a1db6432c95fabe17608d",
    "4b2ef08d3c975a61d0b7491ae35c2f8614bdc37eaf6805926bd814a7950fe23c",
    "d2846fb1a93e50c71fd8a374c56b0e927b419ce206adf35821e74a8dfc90356b",
)
_SHIFTS = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)
_STORED = bytes.fromhex("17526b06234e5807")
"""The key, known to all, that VNC servers hide the password of a file with."""


def _pick(bits: Sequence[int], table: bytes) -> list[int]:
    return [bits[place - 1] for place in table]


def _bits(data: bytes) -> list[int]:
    return [byte >> shift & 1 for byte in data for shift in range(7, -1, -1)]


def _rounds(key: bytes) -> list[list[int]]:
    """Return the sixteen keys; the bits of each byte of a VNC password are turned around."""
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    bits = _pick(_bits(turned), _KEY)
    left, right, keys = bits[:28], bits[28:], list[list[int]]()
    for shift in _SHIFTS:
        left, right = left[shift:] + left[:shift], right[shift:] + right[:shift]
        keys.append(_pick(left + right, _ROUND))
    return keys


def _mix(half: Sequence[int], key: Sequence[int]) -> list[int]:
    mixed = [bit ^ other for bit, other in zip(_pick(half, _EXPAND), key, strict=True)]
    out: list[int] = []
    for box, start in zip(_BOXES, range(0, 48, 6), strict=True):
        a, b, c, d, e, f = mixed[start : start + 6]
        value = int(box[(a * 2 + f) * 16 + b * 8 + c * 4 + d * 2 + e], 16)
        out += [value >> shift & 1 for shift in (3, 2, 1, 0)]
    return _pick(out, _SPREAD)


def _block(data: bytes, keys: Sequence[Sequence[int]]) -> bytes:
    bits = _pick(_bits(data), _FIRST)
    left, right = bits[:32], bits[32:]
    for key in keys:
        left, right = right, [bit ^ other for bit, other in zip(left, _mix(right, key), strict=True)]
    return int("".join(map(str, _pick(right + left, _LAST))), 2).to_bytes(8, "big")


def answer(password: str, challenge: bytes) -> bytes:
    """Return what a VNC server wants to hear to its 16 bytes; eight characters of the password count."""
    keys = _rounds(password.encode("latin-1", "replace")[:8].ljust(8, b"\0"))
    return _block(challenge[:8], keys) + _block(challenge[8:16], keys)


def hide(password: str) -> bytes:
    """Return the eight bytes that a password file holds."""
    return _block(password.encode("latin-1", "replace")[:8].ljust(8, b"\0"), _rounds(_STORED))


def reveal(stored: bytes) -> str:
    """Return the password of a file's first eight bytes."""
    return _block(stored[:8], _rounds(_STORED)[::-1]).rstrip(b"\0").decode("latin-1")
