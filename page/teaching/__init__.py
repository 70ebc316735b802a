"""Teaching a home's own activities: clips, what is wanted, learning."""
