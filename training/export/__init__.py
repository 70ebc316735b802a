"""A fitted or imported network becomes a bundle, proved to say what the network says."""
