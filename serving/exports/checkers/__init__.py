"""Scripts that load an export without this project and without TensorFlow.

Each is run as a file in a process of its own, `checking` says how.
"""
