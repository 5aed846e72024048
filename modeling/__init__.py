"""The model, its training and its checkpoints."""
