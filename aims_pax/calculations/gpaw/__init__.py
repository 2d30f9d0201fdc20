"""The text of GPAW (`txt`)."""
