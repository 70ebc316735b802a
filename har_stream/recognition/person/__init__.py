"""The person in a camera's image: key points, followed from frame to frame."""
