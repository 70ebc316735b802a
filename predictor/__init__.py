"""Remembers what people did and forecasts what they will do next."""
