"""Activity logs in files: our CSV, files of events, and what other projects write."""
