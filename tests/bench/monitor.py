"""What the service on the box takes: 8 GPUs, 30 processes, a sample every ten seconds."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.bench import usage
from tests.bench.machine import Machine
from tests.bench.table import Row
from tests.remote.bundles import lay

MAIN = "gpubox.remote.monitor.main"


async def measure(machine: Machine, folder: Path, seconds: float) -> list[Row]:
    """Run the service for a while without outlets, and return what it took."""
    program = lay(folder / "monitor", MAIN)
    command = ["python3", "-I", "-S", "-OO", str(program / "run.py"), MAIN]
    variables = {**machine.environment, "GPUBOX_STATE_DIR": str(folder / "state")}
    compiling = await asyncio.create_subprocess_exec(*command[:4], "-m", "compileall", "-q", str(program))
    assert await compiling.wait() == 0  # as the installer does
    process = await asyncio.create_subprocess_exec(*command, env=variables)
    try:
        await asyncio.sleep(5)  # the start is not what is measured
        before, begun = usage.cpu_seconds(process.pid), time.monotonic()
        await asyncio.sleep(seconds)
        share = 100 * (usage.cpu_seconds(process.pid) - before) / (time.monotonic() - begun)
        memory = usage.memory(process.pid)
    finally:
        process.terminate()
        await process.wait()
    return [
        Row("service on the box, every 10 s: processor", "% of a core", share, 1.0),
        Row("service on the box, every 10 s: memory", "MiB", memory, 25.0),
    ]
