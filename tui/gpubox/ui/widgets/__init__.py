"""Fields, titles and footers that every screen shares; they know no box."""
