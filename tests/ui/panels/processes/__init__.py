"""Tests of gpubox.ui.panels.processes."""
