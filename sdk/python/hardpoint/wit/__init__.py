"""The interfaces in `wit/` as Python types.

Inside a component they are those that componentize-py generates; natively, for tests and editors, these
modules have the same types by hand, and functions of the host that lead to `hardpoint.testing.Host`.
"""
