"""`train-har fit`: a run from top to bottom, its networks, their checkpoints."""
