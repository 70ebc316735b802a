"""Partitions: thousands of homes' forecasters in one process; journals, snapshots in PostgreSQL."""
