"""The one loop of sampling, labelling and learning, and what it is made of."""
