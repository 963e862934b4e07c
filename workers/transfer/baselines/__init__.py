"""What a practitioner would use for a kind of data, in scikit-learn.

One file a kind, each with `readings(data, …)`: the ways to make features of raw inputs, and what is fitted on
them. `choosing` takes the best by held-out rows.
"""
