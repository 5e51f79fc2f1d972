"""A fake training for the demo box: a real process to watch, compare, pause and stop.

`python train.py --epochs 3` shows its progress and writes a checkpoint after every epoch; `python diverge.py`
is the same, but aborts in its second epoch, like a failed assertion. It uses little CPU with a GPU, and most
of one CPU without. Its loss and speed are invented, and it says so.

With GPUBOX_DEMO_HELD it is one of the initial trainings of the demo box: it writes a line of log every few
seconds, uses no CPU in between, and ends with its stdin: the demo holds the other end, so that no training
outlives it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import select
import sys
import time

SECONDS = 5.0
"""Seconds between two lines of log of an initial training."""
STEPS = 40
"""Steps per epoch."""
PACE = {True: 0.11, False: 0.34}
"""Seconds per step with a GPU, and without one."""
SHARE = {True: 0.2, False: 0.85}
"""The share of that in which it computes."""
BAR = 24
"""Cells of the progress bar."""


def held() -> None:
    """Write lines of log until stdin ends."""
    began = time.time()
    with open(sys.argv[0].replace(".py", ".log"), "a", encoding="utf-8", buffering=1) as log:
        while not select.select([sys.stdin], [], [], SECONDS)[0]:
            step = int((time.time() - began) * 7)
            log.write(f"{time.strftime('%H:%M:%S')} step {step} loss {loss(step):.4f} (simulated)\n")


def loss(step: int) -> float:
    """Return a plausibly falling loss."""
    return 0.4 + 2 * math.exp(-step / 4000)


def work(seconds: float, share: float) -> None:
    """Compute for a share of some seconds, and sleep for the rest, as if waiting for a GPU."""
    end = time.perf_counter() + seconds
    busy = time.perf_counter() + seconds * share
    total = 0.0
    while time.perf_counter() < busy:
        total += math.sqrt(total + 1)
    time.sleep(max(0.0, end - time.perf_counter()))


def epoch(number: int, epochs: int, pace: float, share: float) -> float:
    """Run an epoch with a progress bar; return the loss at its end."""
    value = 0.0
    for step in range(1, STEPS + 1):
        work(pace, share)
        value = loss(2000 * ((number - 1) * STEPS + step) // STEPS)
        full = BAR * step // STEPS
        bar = "█" * full + "░" * (BAR - full)
        done = 100 * step // STEPS
        sys.stdout.write(f"\repoch {number}/{epochs} {bar} {done:3d}%  loss {value:.4f}")
        sys.stdout.flush()
    sys.stdout.write(f"  {STEPS * pace:.1f} s\n")
    return value


def train(epochs: int, fail_at: int, pace: float = 0.0) -> None:
    """Run a training from the first epoch to the last, or to the one that fails."""
    gpus = [uuid for uuid in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if uuid]
    print("A rehearsal: nothing is trained, loss and speed are simulated.")
    print("device:", f"simulated GPU {gpus[0]}" if gpus else "cpu (no GPU was given)")
    for number in range(1, epochs + 1):
        value = epoch(number, epochs, pace or PACE[bool(gpus)], SHARE[bool(gpus)])
        if number == fail_at:
            print(f"loss is nan in epoch {number} (simulated): aborting", file=sys.stderr, flush=True)
            os.abort()
        with open("checkpoint.json.new", "w", encoding="utf-8") as file:
            json.dump({"epoch": number, "loss": round(value, 4), "simulated": True}, file)
        os.rename("checkpoint.json.new", "checkpoint.json")
    print("done: checkpoint.json")


def main() -> None:
    """Run as the command line says; as diverge.py it fails by default."""
    if "GPUBOX_DEMO_HELD" in os.environ:
        held()
        return
    fail_at = 2 * sys.argv[0].endswith("diverge.py")
    about = "A rehearsal of a training: nothing is computed that matters."
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--epochs", type=int, default=3, help="epochs of a few seconds each")
    parser.add_argument("--fail-at", type=int, default=fail_at, metavar="EPOCH", help="abort after this one")
    parser.add_argument("--pace", type=float, default=0.0, metavar="SECONDS", help="time of a step")
    known, _ = parser.parse_known_args()  # unknown arguments are for display
    train(known.epochs, known.fail_at, known.pace)


if __name__ == "__main__":
    main()
