"""Clips to splits, to cached frames, to batches of windows."""
