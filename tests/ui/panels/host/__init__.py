"""Tests of gpubox.ui.panels.host."""
