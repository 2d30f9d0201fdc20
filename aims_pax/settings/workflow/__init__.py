"""Exploration workflows: chains of phases, each with a structure and what is done to it (SCS)."""
