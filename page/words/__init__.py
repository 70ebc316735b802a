"""Every string that a person reads, in each language, and how times are written."""
