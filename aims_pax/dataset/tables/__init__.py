"""The tables of a run store, and the file below them.

``database`` is the connection with its transactions, ``schema`` the tables and their upgrades, ``blobs`` arrays as
bytes, ``base`` what all tables share. ``structures`` with their origin, ``labels`` that were asked of references,
``kept_out`` (labels that nobody is to learn), ``splits`` (for life), ``predictions`` of the committee before it
learned, ``history`` (scores, learning curves, events, states) and ``sessions`` (who has worked on the run, with what)
are a module each.
"""
