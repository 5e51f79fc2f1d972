"""The log viewer: follows what comes, and pages through what was."""
