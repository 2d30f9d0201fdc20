"""Structures of databases on the network: the Materials Project by its own interface, all others by OPTIMADE's."""
