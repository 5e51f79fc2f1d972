"""Software environments of a box: found by their files, selected for jobs and shells, changed by jobs."""

from gpubox.boxes.envs.diff import Difference, difference
from gpubox.boxes.envs.envs import Environments

__all__ = ["Difference", "Environments", "difference"]
