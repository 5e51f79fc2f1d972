"""Tests of gpubox.ui.panels."""
