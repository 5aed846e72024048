"""Training runs: losses, optimizer, steps, evaluation, resuming, folders."""
