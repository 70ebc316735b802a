"""The simulated home: a seeded routine, its renderer and its ground truth."""
