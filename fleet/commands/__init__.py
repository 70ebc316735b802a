"""`har-fleet`: its arguments, and what it prints."""
