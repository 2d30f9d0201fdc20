"""Folders of finished calculations made into a dataset: found, judged, compared, written."""
