"""A dataset chosen from structures with labels: what is in the pool, how wrong a committee is, and the stage."""
