"""Words and tools of all stages: frame, activity, thresholds, files, errors."""
