"""The model artefact: the code that reads and writes it, beside the shipped ones."""
