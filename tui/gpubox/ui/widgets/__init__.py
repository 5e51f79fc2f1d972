"""Fields, titles and footers that all screens share; they know no box."""
