"""What moves atoms besides the forces between them, and in which order."""
