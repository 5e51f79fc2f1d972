"""Tests of gpubox.boxes.jobs.slurm."""
