"""Image to bytes to image: the SPIFF codec, its models and its scores."""
