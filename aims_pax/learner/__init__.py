"""The pure core: what happens next, decided from frozen values by the standard library alone.

``state`` and ``events`` hold the values, ``transition`` and ``decide`` the two pure functions. What differs between
one loop and another is said by two rules: ``selectors`` (which structures are worth a label) and ``cadence`` (who
waits, and when the committee trains). ``quota`` is the split into training and validation, ``stagnation`` and
``annealing`` how training ends, ``journal`` the way to text and back, ``earlier`` states of earlier versions. Nothing
here knows torch, Parsl, a clock or a file.
"""
