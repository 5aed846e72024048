"""Tasks: GLUE's, XNLI, the user's own; their examples, labels and records."""
