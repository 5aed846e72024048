"""What the scripts share: their flags, and what these describe."""
