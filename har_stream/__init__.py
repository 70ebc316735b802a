"""Watches cameras, recognises what people do, and says it over MQTT."""
