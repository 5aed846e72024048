"""Released-BERT checkpoints: locate, load, initialise, export."""
