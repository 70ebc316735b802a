"""The key-point network: what it is built of, and how it learns."""
