"""Commands before there is a project: the installation, an example, a new project, what settings mean."""
