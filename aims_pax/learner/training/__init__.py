"""When training has come to its end: a loss that falls no more, and a learning rate that does."""
