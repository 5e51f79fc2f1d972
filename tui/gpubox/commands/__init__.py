"""The subcommands, one file each; they wire the rooms together."""
