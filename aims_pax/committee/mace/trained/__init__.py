"""Trained models that are given: read as they are, gone on from, or brought to a committee's own elements."""
