"""The look at the machine and at what is installed on it, before there is a project."""
