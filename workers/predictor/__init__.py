"""The process that answers predictions: it has TensorFlow, which the API has not."""
