"""Carries more cameras and homes than one machine: cut into lots, placed on machines.

In the order in which a fleet comes to be:

- ``inventory``: what a person says of a fleet: its machines, thousands of cameras from tables
- ``lots``: a lot at work: events in PostgreSQL, numbered over all machines, one owner at a time
- ``partitions``: thousands of homes' forecasters in one process, journals in PostgreSQL
- ``planning``: which lot a camera is in, which machine carries the lot, who may say what
- ``cluster``: lots on the machines of a Ray, started elsewhere where one is not heard of
- ``archives``: recordings by the thousand, recognised by all machines
- ``training``: training runs whose networks all machines fit
- ``commands``: ``har-fleet``
"""
