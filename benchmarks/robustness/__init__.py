"""Random tables, parameters and parts, and what holds of mixtures of them."""
