"""`har-bench`: what recognition costs on this machine, measured in one run."""
