"""Software environments of a box: found by their files, selected for jobs and shells, changed by jobs."""

from gpubox.boxes.envs.diff import Difference, difference
from gpubox.boxes.envs.envs import PROGRAM_FILES, Environments

__all__ = ["PROGRAM_FILES", "Difference", "Environments", "difference"]
