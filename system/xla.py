"""Whether XLA compiles a step into one program.

TensorFlow runs a step as some hundred operations. As one XLA program it reads
and writes memory less often and starts fewer kernels: on a GPU a compact model
then trains about three times as fast. A program is compiled for each shape of
its inputs.

The choice holds for the whole process, as the strategy does.

Tested by `tests/training/fit_test.py` and
`tests/training/compile_ahead_test.py`.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

_is_on = False


def choose(jit_compile: str) -> None:
  """Chooses for this process.

  Args:
    jit_compile: 'true', 'false', or 'auto', which compiles if there is a GPU. A
      TPU compiles everything itself.
  """
  global _is_on
  has_gpu = bool(tf.config.list_physical_devices('GPU'))
  _is_on = jit_compile == 'true' or (jit_compile == 'auto' and has_gpu)


def is_on() -> bool:
  """Returns whether steps are compiled as one program."""
  return _is_on


def compiles_each_shape() -> bool:
  """Returns whether each shape of a step's inputs costs a compilation."""
  return _is_on or bool(tf.config.list_logical_devices('TPU'))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
  """Returns a function as one XLA program, if steps are compiled.

  Args:
    function: computes tensors from tensors in the replica context. It may call
      compiled functions: they become parts of its program. It communicates with
      no other replica.
  """
  if not _is_on:
    return function
  return tf.function(function, jit_compile=True, autograph=False)
