"""Which source suits a target: frozen features judged by the target's own rows, before any training."""
