"""A lot at work: its events in PostgreSQL, numbered over all machines, by one owner at a time."""
