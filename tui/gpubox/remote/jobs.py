"""Starts the program for jobs from its kept folder on the box; what it can be asked is in verbs.py."""

from __future__ import annotations

import contextlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

if sys.version_info < (3, 8):
    sys.stderr.write("gpubox: %s is Python %s, jobs need 3.8\n" % (sys.executable, sys.version.split()[0]))
    sys.exit(5)
if __name__ == "__main__":
    sys.path.insert(0, HERE)
    with contextlib.suppress(OSError):
        os.utime(HERE, None)  # what nobody used for a month goes when something new comes
    import api

    sys.exit(api.main(sys.argv[1:]))
