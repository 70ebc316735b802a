"""HTML pages of one run, of a sweep over seeds, and of runs side by side."""
