"""One file a kind of data whose examples are one input each: what a value is, its statistics, its notices."""
