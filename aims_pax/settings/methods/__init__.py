"""REFERENCE: the settings of each method that labels structures."""
