"""Reference methods: what turns a frame into a label, or says in a value why it could not.

Every engine is one module and one entry of :mod:`aims_pax.reference.registry`. References are built where they run,
from frozen settings: used calculators can neither be pickled nor copied.
"""
