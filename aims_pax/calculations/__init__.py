"""Finished calculations: what electronic-structure programs have printed, step by step."""
