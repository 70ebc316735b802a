"""The config of a run that takes seconds, on the clips of `clip_maker.write_dataset`."""

CONFIG = """
name: tiny
about: two directions
network: lrcn
data: {classes: [Down, Right]}
split: {held_out: ["3"], validation: 0}
clip: {n_frames: 3, height_px: 64, width_px: 64, sample_hz: 5.0}
fit: {epochs: 1, batch: 8}
"""
