"""Recordings by the thousand, recognised on the machines of a Ray."""
