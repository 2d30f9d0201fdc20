"""Input and job scripts of structures, for whoever submits by hand."""
