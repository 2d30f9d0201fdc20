"""Errors that are told by how much the models disagree: fitted, checked, kept beside the models, and found again."""
