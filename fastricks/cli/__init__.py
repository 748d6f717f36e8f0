"""The command line: argv in, exit code out. A file a verb."""
