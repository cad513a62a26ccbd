"""The `klaster` command: runs the whole system on one machine, loads its seed, and looks into it while it runs.

It knows the services by their HTTP interface, their topics and their command lines, as any other system would.
"""
