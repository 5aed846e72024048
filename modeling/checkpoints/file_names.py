"""Names of a checkpoint's files, and of those that describe the model."""

import re

INDEX = '.index'
DATA = '.data-00000-of-00001'
# In a folder like Google's: the checkpoint, and what describes it.
PREFIX = 'bert_model.ckpt'
CONFIG = 'bert_config.json'
VOCAB = 'vocab.txt'

_STEP = re.compile(r'(?:^|[/.])ckpt-([0-9]+)$')


def of_step(step: int | str) -> str:
  """Returns the name of the checkpoint that a run writes after a step."""
  return f'model.ckpt-{step}'


def step_in(prefix: str) -> int:
  """Returns the training step that ends a checkpoint's prefix, or else 0.

  >>> step_in('run/model.ckpt-8')
  8
  >>> step_in('bert-4/bert_model.ckpt')
  0
  """
  match = _STEP.search(prefix)
  return int(match[1]) if match else 0


def is_of_run(name: str) -> bool:
  """Returns whether a run writes checkpoints or their files by this name."""
  return name.startswith(of_step(''))
