"""Examples for the key-point network: who stands where in a frame, told by a teacher or known."""
