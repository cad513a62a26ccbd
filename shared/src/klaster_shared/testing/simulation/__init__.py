"""The backbone on a virtual clock: real relay, real runner, real parking, on a PostgreSQL and a Kafka that live in memory and fail as
a seed says. docs/architecture/simulation.md.
"""
