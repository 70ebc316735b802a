"""Recognitions and changes become MQTT messages; an event is kept until a journal has it."""
