"""Makes the bundles: data sets, networks, fitting, evaluation, export."""
