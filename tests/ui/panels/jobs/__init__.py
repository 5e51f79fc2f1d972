"""Tests of gpubox.ui.panels.jobs."""
