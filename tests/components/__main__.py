"""Install the real parts that tests need: `python -m tests.components`."""

import sys

from tests.components.parts import install

if __name__ == "__main__":
    sys.exit(install())
