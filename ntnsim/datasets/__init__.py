"""Images with class maps, and how relevant each class is."""
