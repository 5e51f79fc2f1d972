"""`python -m gpubox` is `gpubox-tui`."""

from gpubox.cli import main

main()
