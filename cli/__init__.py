"""Command lines: flags as options, messages, signals and exit statuses."""
