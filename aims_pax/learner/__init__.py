"""The pure core: what happens next, decided from frozen values by the standard library alone.

``state`` and ``events`` hold the values of active learning, ``active`` its two pure functions, ``initial`` the same
for initial dataset generation, ``threshold`` Eq. 2 of the paper, ``quota`` the split into training and validation,
``journal`` the way to text and back. Nothing here knows torch, Parsl, a clock or a file.
"""
