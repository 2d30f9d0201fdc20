"""The look before the start: what a project means, what of it can fail cheaply, and what it can go on from."""
