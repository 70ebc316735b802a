"""Beds, doors, motion, power: what their topics say, and what that makes certain of a place."""
