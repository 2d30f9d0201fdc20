"""Models that drive MD, and are compared with the reference and trained on the way."""
