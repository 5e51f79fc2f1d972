"""A recording in place of a box: its readings come again, and nothing runs anywhere."""
