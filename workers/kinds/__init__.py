"""One file a kind of job: what a worker does with it, found by the kind's name."""
