"""The program on the box that makes changes: journaled, undone byte by byte, and guarded where it is sshd."""
