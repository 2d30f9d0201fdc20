"""What a campaign begins with: starting structures, free atoms, datasets and models that are given."""
