"""The report of runs as a page on this machine, which follows them."""
