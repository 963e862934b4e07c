"""Networks: how they are built of parts, what they read, and the pretrained ones."""
