"""Install the real parts that tests need: `python -m tests.components`."""

import sys

from tests.components import envs, parts, served, torch_part

if __name__ == "__main__":
    sys.exit(max(parts.install(), served.install(), envs.install(), torch_part.install()))
