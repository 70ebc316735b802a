"""The wire: one connection, the names of topics, the messages on them, an embedded broker."""
