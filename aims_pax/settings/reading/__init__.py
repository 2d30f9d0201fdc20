"""From files as their user wrote them to plain values, and everything that is wrong with them as problems."""
