"""`har-page`, and `har`, which runs recogniser, forecaster and page together."""
