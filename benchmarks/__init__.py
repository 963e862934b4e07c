"""Ratios, each measured in one run side by side with what it is compared to: `make benchmark`."""
