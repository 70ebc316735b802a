"""Remembers what people did and forecasts what they will do next.

In the order in which an event becomes a forecast:

- ``service``: har-forecast at work: event in, forecast and actions out
- ``journal``: the durable activity log, in SQLite or PostgreSQL
- ``sensors``: beds, doors, motion and power beside cameras
- ``models``: the HMM and the DBN, learnt online, saved and loaded
- ``unusual``: what is not as it usually is, with a budget of false alarms
- ``prior``: what homes have in common, which a new home's forecasts begin with
- ``estimators``: the probabilities that they are built of, each learnt by itself
- ``outlook.py``, ``sessions.py``: what goes into a model and comes out; stretches of activity
- ``logs``: activity logs in files, read and written
- ``evaluation``: how well a model would have forecast a log, beside simple baselines
- ``commands``: ``har-forecast`` and ``train-hmm``
"""
