"""Figures of single kinds of stages: of explorations, of flights, of workflows that are played."""
