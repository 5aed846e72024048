"""Makes a task of libraries' docstrings, for `tools.extract_docstrings`."""
