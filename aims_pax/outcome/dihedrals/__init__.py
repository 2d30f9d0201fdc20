"""How two models turn the same molecules: dihedrals of both, side by side."""
