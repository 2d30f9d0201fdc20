"""From a few structures and a compute allocation to a trustworthy machine-learning force field."""

__version__ = "0.1.0"
