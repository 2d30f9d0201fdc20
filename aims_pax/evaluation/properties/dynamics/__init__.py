"""Properties of atoms that move: what molecular dynamics by each method comes to."""
