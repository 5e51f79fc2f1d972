"""The link: connects, logs in, keeps alive, forwards; the only room that imports asyncssh."""
