"""Reads the PNG and JPEG files that jobs leave, with Pillow, which the extra `pictures` brings."""

from __future__ import annotations

import io
import struct
import zlib

from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.rfb.image import Picture

SUFFIXES = (".png", ".jpg", ".jpeg")
"""Suffixes of files that can be shown."""
LARGEST = 40_000_000
"""Most bytes of a file that is read."""
_PIXELS = 40_000_000
"""Most pixels of a picture: without a limit a file of a few bytes could fill the memory."""


def read(data: bytes) -> Picture:
    """Return the picture in a file. Call it in a thread: it may take seconds.

    Raises RemoteError when it is neither PNG nor JPEG, is damaged, or Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise _wrong(
            "Pictures take the extra `pictures`, which is not installed",
            "Install gpubox-tui with its extra `pictures`, or open the file with a program of this machine",
        ) from None
    if not data.startswith((b"\xff\xd8", b"\x89PNG\r\n\x1a\n")):
        raise _wrong("it is neither PNG nor JPEG")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > _PIXELS:
                raise _wrong(f"it has {image.width} x {image.height} pixels")
            image.draft("RGB", (800, 800))  # JPEG decodes much faster at a reduced size
            if image.mode.startswith("I"):  # 16 bits of gray, which Pillow would clip to 8
                deep = image.convert("I")
                gray = deep.point(lambda value: value * (1 / 256))  # pyright: ignore[reportUnknownMemberType]
                plain = gray.convert("RGB")
            else:
                plain = image.convert("RGB")
            return Picture(plain.width, plain.height, plain.tobytes())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _wrong("it has too many pixels") from error
    except Image.UnidentifiedImageError as error:  # its message contains memory addresses
        raise _wrong("the file is damaged") from error
    # Pillow and its libraries raise these for damaged files.
    except (OSError, SyntaxError, EOFError, ValueError, IndexError, struct.error, zlib.error) as error:
        raise _wrong(f"the file is damaged: {error}") from error


def _wrong(words: str, hint: str = "Open the file with a program of this machine") -> GpuBoxError:
    return RemoteError("The picture cannot be shown", words, hint)
