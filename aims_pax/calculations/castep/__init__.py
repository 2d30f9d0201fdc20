"""SEED.castep: what CASTEP prints."""
