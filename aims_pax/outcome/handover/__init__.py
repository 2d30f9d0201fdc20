"""Models handed over to programs that move atoms, with an input that runs as it is."""
