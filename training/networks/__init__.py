"""The networks, one small file each; `training.networks.registry` lists them by name."""
