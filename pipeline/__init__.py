"""One command from a table of texts to a small model: the plan and its run."""
