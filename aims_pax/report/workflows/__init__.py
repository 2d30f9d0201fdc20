"""Figures of workflows that are played: what the committee was unsure of, and the structures of phases."""
