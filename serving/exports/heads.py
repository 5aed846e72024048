"""The kinds of heads that an export may have, and the names of its outputs.

The names are those of transformers and Optimum. Does not import TensorFlow.

Tested by `tests/serving/exports/exporting_test.py`.
"""

AUTO = 'auto'
TASK, PRETRAINING, NONE = 'task', 'pretraining', 'none'
# In the order in which `AUTO` looks for them.
KINDS = (TASK, PRETRAINING, NONE)

# Head → names of the outputs, and whether each is a row per token.
OUTPUTS = {
  TASK: {'logits': False},
  PRETRAINING: {'prediction_logits': True, 'seq_relationship_logits': False},
  NONE: {'last_hidden_state': True, 'pooler_output': False},
}
