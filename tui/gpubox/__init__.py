"""gpubox-tui: a terminal control panel for GPU boxes, over one ssh login."""

__version__ = "0.1.0"
