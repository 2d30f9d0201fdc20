"""What foretells each kind of stages."""
