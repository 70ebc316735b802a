"""Frames to recognitions (a bundle's networks on rolling windows), and those to changes."""
