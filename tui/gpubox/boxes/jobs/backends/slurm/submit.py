"""Submits a job of ours to Slurm: options for sbatch, and the script that calls it once."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from secrets import token_hex

from gpubox.boxes.jobs.backends.slurm.commands import LIMIT, exports
from gpubox.core.errors import RemoteError
from gpubox.core.job import JobSpec
from gpubox.core.sanitize import clean

NUMBER, CANCELER = "SLURM_JOB_ID", "scancel"
"""The variable that tells a job its number, and the command that cancels one."""
SAID_NO = 4
"""Exit status of the script when sbatch refused the job, so that Slurm certainly does not have it."""

_MARGIN = 90.0
"""Seconds that Slurm's time limit is longer than ours, so that ours, which tells more, comes first."""
_PARTITION = re.compile(r"[A-Za-z0-9_.,+-]+")


def options(spec: JobSpec, after: str) -> list[str]:
    """Return the arguments of sbatch; raises RemoteError for a spec that Slurm cannot fulfill."""
    # No `=` and no blanks: the name comes back in lines whose fields they separate.
    name = re.sub(r"[^\w.:@+-]+", "_", spec.name, flags=re.ASCII).strip("_")[:60]
    words = [
        "--parsable",
        f"--job-name={name or 'gpubox'}",
        f"--comment=gpubox:{spec.id}",
        "--output=slurm.log",
        "--nodes=1",
        "--ntasks=1",
        "--export=ALL",
        "--no-requeue",  # a record describes one run
    ]
    if partition := spec.options.get("partition"):
        if not _PARTITION.fullmatch(partition):
            raise RemoteError("No such partition", f"{clean(partition, 60)} cannot be one's name")
        words.append(f"--partition={partition}")
    if spec.gpus.mode == "chosen":
        raise RemoteError(
            "Slurm chooses the GPUs", "One of its jobs cannot name them", "Say how many GPUs the job wants"
        )
    if spec.gpus.mode == "count" and spec.gpus.count > 0:
        words.append(f"--gres=gpu:{spec.gpus.count}")
    if spec.limit is not None:
        words.append(f"--time={math.ceil((spec.limit + spec.grace + _MARGIN) / 60)}")
    if after:
        words.append(f"--dependency={'afterany' if spec.after_any else 'afterok'}:{after}")
        words.append("--kill-on-invalid-dep=yes")
    return words


def script(
    spec: JobSpec, folder: str, words: Sequence[str], line: str, programs: str, login: Mapping[str, str]
) -> str:
    """Return what hands a job to Slurm once, however often it is run, and prints Slurm's number of it.

    `folder` is its record's, `line` what Slurm is to run, `programs` where sbatch is. sbatch, which hands its
    environment on to the job, has that of a login, `login`; SBATCH_... variables of the spec reach it too, so
    that an account or more memory can be asked for.
    """
    # Secrets are in no record: they are part of the environment that sbatch passes on.
    given = {
        name: value
        for name, value in spec.environment.items()
        if name in spec.hidden or name.startswith("SBATCH_")
    }
    # Variables that are set for our own parsing must not reach the job.
    setting = f"unset LC_ALL SLURM_TIME_FORMAT\n{exports({**login, **given})}limit={LIMIT}\n"
    sbatch = shlex.join([f"{programs}/sbatch", *words])
    end = f"end-{token_hex(6)}"
    known = f"s/^\\([0-9]*\\) gpubox:{spec.id}$/\\1/p"
    return f"""\
cd {shlex.quote(folder)} || exit 3
if [ -s queue_id ]; then cat queue_id; exit 0; fi
id=$(limited squeue -h -a -t all -u "$(id -un)" -o "%i %k" 2>/dev/null | sed -n "{known}" | head -n 1)
[ -n "$id" ] || id=$({setting}limited {sbatch} --chdir="$PWD" <<"{end}"
#!/bin/sh
{line}
{end}
)
case $? in 0) ;; 124) exit 5;; *) exit {SAID_NO};; esac
id=${{id%%;*}}; umask 077; printf "%s\\n" "$id" >queue_id; printf "%s\\n" "$id"
"""
