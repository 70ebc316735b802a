"""Brokers that we start where none answers: Mosquitto, else amqtt; for this machine alone."""
