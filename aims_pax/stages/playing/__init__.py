"""Workflows of phases, played again and again while the committee learns (SCS)."""
