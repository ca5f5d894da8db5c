"""One file per simulated device, each from its specification."""
