"""Watches cameras, recognises what people do, and says it over MQTT.

`pipeline.py` ties the stages together: read it first. The folders, in the order in which a frame
and then an event go through them:

cameras        devices, files, streams and the simulated home: to sampled frames
recognition    frames to recognitions, and recognitions to changes of activity
publishing     recognitions and changes to MQTT topics, without loss
mqtt           the wire: connection, topics, messages, the embedded broker
homeassistant  entities that Home Assistant finds by itself, and their removal
preview        what a person may watch meanwhile: `--show` and `--record`
commands       `har-stream`, `--check`, `har-demo`: arguments, and what is wired to what
bundles        the model artefact: its format, and the ones that are shipped
config         what a person may set: one strict model per concern
simulation     the simulated home behind `sim:SEED`
core           words and tools of all stages; imports nothing of the project
"""
