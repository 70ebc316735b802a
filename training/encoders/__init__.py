"""Pretrained encoders of frames, frozen or fitted further, and Keras models as LiteRT files."""
