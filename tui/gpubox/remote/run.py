"""Starts the probe from its cache folder on the box; from there Python takes it compiled."""

import contextlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

if sys.version_info < (3, 8):
    sys.stderr.write(
        "gpubox: %s is Python %s, the probe needs 3.8\n" % (sys.executable, sys.version.split()[0])
    )
    sys.exit(5)
sys.path.insert(0, HERE)
with contextlib.suppress(OSError):
    os.utime(HERE, None)  # what nobody used for a month goes when something new comes
sys.exit(__import__("gpubox_probe").main(sys.argv[1:]))
