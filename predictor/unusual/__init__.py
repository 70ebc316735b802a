"""What is unusual for this home: an activity too long, at an odd hour, or not yet there; quiet."""
