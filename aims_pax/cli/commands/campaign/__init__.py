"""Commands of a project that runs, or will: what it would do, where it stands, its data."""
