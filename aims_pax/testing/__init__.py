"""Stand-ins for the dear parts of a campaign, and suites of tests for whoever writes a part of their own.

The stand-ins are parts like any other: they satisfy the Protocols of :mod:`aims_pax.protocols`, compute real numbers,
are deterministic, and cost nothing. What is no matter of chemistry, such as scheduling, storing and resuming, is tested
on them in milliseconds.

=============  ===================================================================================================
drivers        forces by formulas, and drivers that fail where they are told to
committee      members that are springs, which differ the less the more they have learned; their models: springs
family         builds, loads and reads them where a campaign builds, loads and reads MACE models
references     an ASE calculator of the same springs, and a reference that fails at chosen calls
sources        structures that are at hand
pools          labels in a scripted order, with failures and lost workers
clock          a time that stands still until it is moved
databases      a Materials Project and an OPTIMADE database on this machine, which can be told to fail
contracts      what is asked of every driver, sampler, committee, pool, source and validator: needs pytest
=============  ===================================================================================================
"""
