"""One file a stage of a job: what it does unless an earlier attempt has finished it."""
