"""One training run: losses, optimizer, steps, evaluation, resuming, folder."""
