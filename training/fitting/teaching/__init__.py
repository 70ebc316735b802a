"""Teaching: a household's own activities, learned from a few clips without TensorFlow."""
