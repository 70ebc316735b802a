"""Home Assistant's MQTT discovery: entities, their announcement and their removal."""
