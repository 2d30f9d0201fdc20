"""mace.yaml: the members of the committee, what they are trained by, and what they begin as."""
