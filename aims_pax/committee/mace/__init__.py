"""MACE models: built, seen from inside, run, trained on and written in their own format."""
