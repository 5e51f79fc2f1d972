"""What holds for every test: on CI, hypothesis tries the same examples each time."""

from __future__ import annotations

import os

from hypothesis import settings

# A person's run looks for new examples; a run that decides about a change must not depend on luck.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=False)
settings.register_profile("person", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "person")
