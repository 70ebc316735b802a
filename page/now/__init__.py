"""What goes on in the home, out of MQTT messages, and requests with their answers."""
