"""How good a bundle is: on clips, on streams, in the simulated home; and what it computes."""
