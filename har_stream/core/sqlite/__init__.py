"""SQLite files of ours: durable, damaged or full, and how long their program has run."""
