"""A server of eight busy GPUs, whose every reading differs from the last as those of real ones do."""

from __future__ import annotations

import random
from collections.abc import Iterator

from msgspec.structs import replace

from gpubox.core.sample import Gpu, Host, Process, Sample
from tests.samples import NOW, eight_gpus


def noisy(count: int, seed: int = 1) -> Iterator[Sample]:
    """Yield one reading a second: 8 GPUs, 30 processes and 128 cores, and nearly all values change."""
    rng = random.Random(seed)
    sample = eight_gpus()
    for number in range(count):
        rows = [_process(process, rng) for process in sample.processes]
        if rng.random() < 0.05:  # one ends, and another starts
            rows.pop(rng.randrange(len(rows)))
            rows.append(replace(rows[0], pid=300_000 + number, started=NOW + number))
        sample = replace(
            sample,
            seq=number,
            time=round(NOW + number + rng.random() * 0.01, 3),
            gpus=tuple(_gpu(gpu, rng) for gpu in sample.gpus),
            processes=tuple(rows),
            host=_host(sample.host, rng),
            probe=replace(sample.probe, tick=round(rng.gauss(60, 5), 1), cpu=round(rng.gauss(1, 0.1), 2)),
            pong=number // 2,
        )
        yield sample


def _near(value: float | None, by: float, top: float, rng: random.Random, digits: int = 0) -> float:
    moved = (top / 2 if value is None else value) + rng.gauss(0, by)
    return round(min(top, max(0.0, moved)), digits)


def _gpu(gpu: Gpu, rng: random.Random) -> Gpu:
    power = round(rng.gauss(560, 25), 3)
    memory = gpu.memory_used or 0
    return replace(
        gpu,
        util=_near(95, 4, 100, rng),
        memory_util=_near(60, 5, 100, rng),
        power=power,
        energy=round((gpu.energy or 3.1e8) + power, 3),
        temperature=_near(gpu.temperature, 0.6, 85, rng),
        temperature_memory=_near(gpu.temperature_memory, 0.6, 95, rng),
        clock_sm=1980 - 15 * rng.choice((0, 0, 1, 2, 3, 5)),
        memory_used=memory if rng.random() < 0.9 else max(0, memory + rng.randrange(-32, 32) * 2**20),
        throttle=rng.choice((0, 0, 4)),
    )


def _process(process: Process, rng: random.Random) -> Process:
    memory = process.memory or 2**30
    return replace(
        process,
        cpu=_near(process.cpu, 3, 400, rng, 1),
        sm=_near(90, 5, 100, rng),
        memory=memory if rng.random() < 0.5 else max(0, memory + 4096 * rng.randrange(-200, 300)),
        state=rng.choice("RRRS"),
    )


def _host(host: Host, rng: random.Random) -> Host:
    cores = tuple(_near(46, 20, 100, rng, 1) for _ in host.cores)
    return replace(
        host,
        cores=cores,
        cpu=round(sum(cores) / len(cores), 1),
        load=tuple(_near(load, 0.2, 200, rng, 2) for load in host.load),
        memory_available=2**40 + 4096 * rng.randrange(100_000),
        disk_read=float(rng.randrange(10**9)),
        disk_write=float(rng.randrange(10**8)),
        net_receive=float(rng.randrange(10**6)),
        net_send=float(rng.randrange(10**6)),
        uptime=round((host.uptime or 0) + 1, 2),
        processes=412 + rng.randrange(5),
        temperature=67.0 + rng.choice((0, 1)),
    )
