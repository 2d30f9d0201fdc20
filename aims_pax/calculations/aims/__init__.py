"""aims.out: what FHI-aims prints."""
