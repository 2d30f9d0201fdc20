"""A run as a page: figures with their data and what a good one looks like, and the words around them."""
