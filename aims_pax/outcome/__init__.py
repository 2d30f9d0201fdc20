"""What a run leaves, and whether it is to be believed."""
