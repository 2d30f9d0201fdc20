"""The decision maker of another program's MD: the executable that CASTEP calls, by the interface of its hybrid-md.

It is called at every step, so nothing here is imported that takes long, but where a model is trained.
"""
