"""The link: connect, log in, keep, forward; the only room that imports asyncssh."""
