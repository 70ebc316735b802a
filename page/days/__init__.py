"""The journal as days: stretches as rows of a timeline, and the colour of each activity."""
