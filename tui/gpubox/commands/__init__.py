"""The subcommands, one file each; they wire rooms together."""
