"""har-forecast at work: events into the journal, the model's forecast and actions out."""
