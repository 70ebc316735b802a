"""How well a model would have forecast a log: questions, metrics, baselines, report."""
