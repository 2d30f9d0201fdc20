"""What a run will take: labels, steps, epochs and time, by the loop itself on a clock that is only counted."""
