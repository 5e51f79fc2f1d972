"""Drawing: spans, lines, tables, meters and trends; it knows no box."""
