"""`train-har` and `har-sim`: arguments, and what is printed."""
