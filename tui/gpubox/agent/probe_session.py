"""Samples a box: the probe on one channel, from start to end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from gpubox.agent import bootstrap
from gpubox.agent.inflate import Inflater
from gpubox.agent.ulimit import explained
from gpubox.common.units import duration
from gpubox.config.settings import ProbeSettings
from gpubox.core.bounds import Whole
from gpubox.core.decode import LINE_LIMIT, decode
from gpubox.core.errors import CommandEnded, GpuBoxError, ProbeError, ProbeTooNew
from gpubox.core.json_bytes import Unreadable, decode_json
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean_bytes
from gpubox.core.shell import Channel, Shell
from gpubox.core.tasks import together

BEAT = 2.0
"""Seconds between heartbeats."""
FIRST_LIMIT = 30.0
"""Seconds from the start to the first sample: a driver without persistence takes ten to wake its cards."""
SILENCE_LIMIT = 15.0
"""Seconds without a sample after which the probe is restarted, or longer for MISSED samples."""
MISSED = 5
"""Missing samples in a row that are tolerated."""
GARBAGE_LIMIT = 100
"""Bad lines in a row after which the probe is restarted."""
GARBAGE_SHOWN = 10.0
"""Seconds for which a bad line is still reported after samples go on."""
PACE = 100
"""Most lines read per second, so that a flooding box does not slow this machine."""
_PACE_BYTES = 64 * 1024
"""Bytes of a line that count as one more line."""
_UNANSWERED = 30
"""Most unanswered heartbeats: a satellite line or a busy box takes more than one period."""
_PONG = b'{"pong":'

Understand = Callable[[bytes], Sample | None]


class Receiver(Protocol):
    """Receives the samples and events of a probe."""

    def received(self, sample: Sample) -> None:
        """Receive the newest sample."""
        ...

    def answered(self, seconds: float) -> None:
        """Receive the round trip of a heartbeat, in seconds."""
        ...

    def troubled(self, trouble: GpuBoxError | None) -> None:
        """Receive an error while samples may still come; None when it is over."""
        ...


class _Pong(msgspec.Struct):
    pong: Whole


_PONG_DECODER = msgspec.json.Decoder(_Pong)


class ProbeSession:
    """One probe on one channel; each start makes a new one."""

    def __init__(
        self,
        receiver: Receiver,
        probe: ProbeSettings,
        *,
        python: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._receiver = receiver
        self._probe = probe
        self._python = python
        self._environment = dict(environment or {})
        self._understand: Understand = self._unpacked
        self._unpacker = Inflater()
        self._specs: list[str] = []
        self._wake = asyncio.Event()
        self._beat = 0
        self._beat_at = 0.0
        self._sent: dict[int, float] = {}
        self._started = 0.0
        self._sample_at: float | None = None
        self._garbage = 0
        self._garbage_at: float | None = None
        self._window = 0.0
        self._lines = 0

    def say(self, spec: str) -> None:
        """Send the probe one line, such as `pcie 0`, as soon as it runs; a plain probe ignores it."""
        self._specs.append(spec)
        self._wake.set()

    async def read(self, shell: Shell) -> None:
        """Start the probe and pass on its samples; never returns.

        Raises ProbeError when the probe cannot start, ends, falls silent or sends nothing but garbage,
        and Dropped when the link ends.
        """
        mark = f"gpubox-{os.urandom(6).hex()}"
        command = bootstrap.command(mark, self._probe, self._python, self._environment)
        try:
            async with shell.stream(command) as channel:
                if await bootstrap.start(channel, mark, self._receiver.troubled) == "sh":
                    from gpubox.agent.shell_samples import ShellSampleReader

                    self._understand = ShellSampleReader().feed
                self._started = time.monotonic()
                await together(self._talk(channel), self._listen(channel))
        except ProbeTooNew:
            raise
        except ProbeError as error:
            if self._sample_at is not None:
                raise
            raise await explained(error, shell) from error

    async def _listen(self, channel: Channel) -> None:
        while line := await channel.read_line(LINE_LIMIT):
            if line.startswith(_PONG):
                self._pong(line)
            else:
                try:
                    sample = self._understand(line)
                except ProbeTooNew:
                    raise
                except ProbeError as error:
                    self._bad(error, line)
                else:
                    if sample is not None:
                        self._good(sample)
            await self._keep_pace(len(line))
        raise await bootstrap.ended(channel)

    def _unpacked(self, line: bytes) -> Sample:
        """Decode a line of the probe; lines of a broken stream raise ProbeError until it restarts."""
        was_broken = self._unpacker.broken
        try:
            plain = self._unpacker.line(line)
        except ProbeError:
            if line.endswith(b"\n") and not was_broken:
                self.say("fresh")
            raise
        return decode(plain)

    def _good(self, sample: Sample) -> None:
        now = time.monotonic()
        if self._sample_at is None:
            self._wake.set()  # now the first heartbeat: the start of the probe is no round trip
        self._sample_at = now
        self._garbage = 0
        if self._garbage_at is not None and now - self._garbage_at > GARBAGE_SHOWN:
            self._garbage_at = None
            self._receiver.troubled(None)
        self._receiver.received(sample)

    def _bad(self, error: ProbeError, line: bytes) -> None:
        if not line.endswith(b"\n") and len(line) < LINE_LIMIT:
            return  # a probe was ended in the middle of a line; its end is reported next
        self._garbage += 1
        self._garbage_at = time.monotonic()
        if self._garbage >= GARBAGE_LIMIT:
            raise ProbeError(
                "Nothing but garbage on the channel",
                f"{self._garbage} lines in a row were no samples, the last: {clean_bytes(line, 60)}",
                "Something on the box writes into the probe's output",
            )
        self._receiver.troubled(error)

    def _pong(self, line: bytes) -> None:
        try:
            number = decode_json(line, _PONG_DECODER).pong
        except Unreadable:
            return
        sent = self._sent.pop(number, None)
        if sent is not None:
            self._receiver.answered(time.monotonic() - sent)

    async def _talk(self, channel: Channel) -> None:
        """Send heartbeats and requests, and check that samples arrive."""
        while True:
            now = time.monotonic()
            self._wake.clear()
            if words := self._words(now):
                try:
                    async with asyncio.timeout(SILENCE_LIMIT):
                        await channel.write(words)
                except TimeoutError as error:
                    raise _silent("The probe does not listen", SILENCE_LIMIT) from error
                except CommandEnded:
                    # After a sleep of this machine, unread samples are queued before the end of the probe.
                    raise await bootstrap.ended(channel) from None
            try:
                async with asyncio.timeout(BEAT):
                    await self._wake.wait()
            except TimeoutError:
                if time.monotonic() - now < 2 * BEAT:  # else this program itself slept: samples lie unread
                    self._check_silence()

    def _words(self, now: float) -> bytes:
        words = "".join(f"{spec}\n" for spec in self._specs)
        self._specs.clear()
        if self._sample_at is not None and now - self._beat_at >= BEAT * 0.9:
            self._beat += 1
            self._beat_at = self._sent[self._beat] = now
            self._sent.pop(self._beat - _UNANSWERED, None)
            words += f"beat {self._beat}\n"
        return words.encode()

    def _check_silence(self) -> None:
        if self._sample_at is None:
            if time.monotonic() - self._started > FIRST_LIMIT:
                raise _silent("The probe sends nothing", FIRST_LIMIT)
            return
        limit = max(SILENCE_LIMIT, MISSED * self._probe.interval)
        if time.monotonic() - self._sample_at > limit:
            raise _silent("The probe fell silent", limit)

    async def _keep_pace(self, length: int) -> None:
        """Wait when a box sends faster than any probe: reading buffered data never yields to the screen."""
        now = time.monotonic()
        if now - self._window >= 1:
            self._window = now
            self._lines = 0
        self._lines += 1 + length // _PACE_BYTES
        if self._lines > PACE:
            await asyncio.sleep(max(0.0, self._window + 1 - now))


def _silent(title: str, seconds: float) -> ProbeError:
    return ProbeError(
        title, f"The link lives, but nothing came for {duration(seconds)}", "The probe is restarted"
    )
