"""`har-forecast` and `train-hmm`: their arguments, and the wiring of what they run."""
