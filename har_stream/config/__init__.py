"""What a person may set: one strict model per concern, and where a node keeps its files."""
