"""The log viewer: follows the end of a log, and pages through the rest."""
