"""Scripts that load an export without this project, and convert models.

Of those that load, that of the SavedModel needs TensorFlow; the others must not
import it. Each is run as a file in a process of its own, `checking` says how.
"""
