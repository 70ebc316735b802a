"""Recognitions and changes become MQTT messages; an event is kept until the broker has it."""
