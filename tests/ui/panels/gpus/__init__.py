"""Tests of gpubox.ui.panels.gpus."""
