"""Tests of gpubox.ui.panels.desktop."""
