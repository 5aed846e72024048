"""Scripts that load an export without this project.

Those of saved_model, tf_models and tf_hub need TensorFlow; the others must not
import it. `checking` runs them.
"""
