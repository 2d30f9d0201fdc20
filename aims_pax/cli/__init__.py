"""The command line: one thin module per command; everything heavy is imported inside the commands."""
