"""What a person may watch beside the events: annotated windows and recorded clips."""
