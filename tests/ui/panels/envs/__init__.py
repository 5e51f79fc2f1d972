"""Tests of gpubox.ui.panels.envs."""
