"""A picture in memory: of a screen, or from a file of a job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of one moment."""

    width: int
    height: int
    rgb: bytes
    """Rows from the top; three bytes a pixel: red, green, blue."""

    def scaled(self, width: int, height: int) -> Picture:
        """Return the picture in another size; each pixel is the mean of up to nine of those it covers."""
        out = bytearray(3 * width * height)
        columns = _samples(self.width, width)
        rows = _samples(self.height, height)
        for y, lines in enumerate(rows):
            mixed = bytearray(3 * width)
            starts = [3 * self.width * line for line in lines]
            for part in range(3):
                taken = [self.rgb[start + part : start + 3 * self.width : 3][::1] for start in starts]
                mixed[part::3] = bytes(
                    sum(line[at] for line in taken for at in places) // (len(taken) * len(places))
                    for places in columns
                )
            out[3 * width * y : 3 * width * (y + 1)] = mixed
        return Picture(width, height, bytes(out))


def _samples(size: int, count: int) -> list[list[int]]:
    """Return, for each pixel of the new size, up to three places of the old one, evenly spread."""
    found: list[list[int]] = []
    for number in range(count):
        first, last = number * size // count, max((number + 1) * size // count - 1, number * size // count)
        found.append(sorted({first, (first + last) // 2, last}))
    return found
