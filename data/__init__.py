"""Text, tasks and records: everything between a file and a batch."""
