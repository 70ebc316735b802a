"""Training runs whose networks are fitted on the machines of a Ray."""
