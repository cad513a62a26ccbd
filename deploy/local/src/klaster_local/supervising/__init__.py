"""The supervisor: one detached process that owns the engines and the services, and restarts what dies."""
