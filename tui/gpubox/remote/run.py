"""Starts a program of ours from its folder on the box: `run.py MODULE WORD...` calls `main` of MODULE.

Python keeps what it compiled of MODULE and its imports beside them; this file it compiles each time.
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
    os.utime(ROOT, None)  # what nobody used for a month is removed when something new arrives
sys.exit(__import__(sys.argv[1], fromlist=["main"]).main(sys.argv[2:]))
