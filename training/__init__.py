"""Makes the bundles.

What follows is the order in which a clip travels.

- `config.py`: what a run is told, a strict YAML file.
- `collect`: data sets are fetched, one's own home is recorded, recordings are cut into clips.
- `data`: clips, their splits, their cached frames, batches of windows.
- `encoders`: pretrained encoders of frames; Keras models as LiteRT files.
- `networks`: one network a file, by name in `registry`.
- `fitting`: a run, top to bottom: networks learn, are calibrated and judged.
- `export`: a network becomes a bundle, in any number format, and is proved to be the same.
- `evaluation`: how good a bundle is, on clips, on streams and in the simulated home.
- `run_folder.py`: what a run leaves behind.
- `reports`: HTML pages of runs and comparisons.
- `benchmark`: `har-bench`, what recognition costs.
- `commands`: `train-har` and `har-sim`.
"""
