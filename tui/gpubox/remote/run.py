"""Starts a program of ours from its folder on the box: `run.py MODULE WORD...` calls `main` of MODULE.

Python caches the bytecode of MODULE and its imports; this file is compiled each time.
"""

import contextlib
import os
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))

if sys.version_info < (3, 8):
    sys.stderr.write("gpubox: %s is Python %s, 3.8 is needed\n" % (sys.executable, sys.version.split()[0]))
    sys.exit(5)
sys.path.insert(0, ROOT)
with contextlib.suppress(OSError):
    os.utime(ROOT, None)  # folders unused for a month are removed when a new one arrives
sys.exit(__import__(sys.argv[1], fromlist=["main"]).main(sys.argv[2:]))
