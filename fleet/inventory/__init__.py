"""What a person says of a fleet: a YAML file, and tables of cameras beside it."""
