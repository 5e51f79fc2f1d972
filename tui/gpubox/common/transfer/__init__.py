"""Files and folders over two pipes, at both ends: JSON lines, and frames of bytes."""
