"""Model bundles and the networks that load from them."""
