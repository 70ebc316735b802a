"""The durable activity log: every event once, and what is missing, in SQLite or PostgreSQL."""
