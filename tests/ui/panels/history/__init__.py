"""Tests of gpubox.ui.panels.history."""
