"""What both ends run, this program and the box: Python 3.8, the standard library, no state."""
