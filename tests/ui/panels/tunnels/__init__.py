"""Tests of gpubox.ui.panels.tunnels."""
