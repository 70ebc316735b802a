"""How clips come to be: data sets fetched, one's own home recorded, recordings cut."""
