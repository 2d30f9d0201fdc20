"""Methods that run within a Python process: libraries, potentials, and calculators of the user's own."""
