"""Programs that are started for each label: their input, their words, their numbers."""
