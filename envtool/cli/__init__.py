"""The command line: one file a command, one boundary where every error becomes a message and an exit code."""
