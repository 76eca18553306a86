"""Which shape is in the picture: a circle, a square or a cross? A small network learns to tell."""
