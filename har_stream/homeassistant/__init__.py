"""homeassistant."""
