"""Errors of a run, told apart: by set and member, by where structures come from, and beside the deviation."""
