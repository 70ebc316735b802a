"""Lots on many machines under Ray: started, watched, started elsewhere; what a person asks."""
