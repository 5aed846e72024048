"""Estimates how long stages take, and what they take on disk.

time of training  = 3 forward passes of matrix products / rate
                    + the optimizer's update of each weight in each step
time of scoring   = 1 forward pass / rate

The rate is that of a short matrix product on this machine, measured when the
plan is made, so it includes the load of other programs. Products of smaller
matrices are slower, and small models spend much time on other operations. So a
time is shown as a range, up to 2.5 times the estimate (an assumption).

Tested by `tests/pipeline/estimates_test.py`.
"""

import dataclasses
import math
import time

import numpy as np
from threadpoolctl import threadpool_limits

from devices import flops
from modeling.configs import BertConfig, count_parameters
from system import threads

# Rows and columns of the matrices, and the seconds that they are multiplied.
_SIZE = 768
_SECONDS = 0.4
# Seconds per weight and step of AdamW. From the rates in docs/speed.md,
# fine-tuning at 2/128 and 4/256, 1,580 and 383 examples of about 16 tokens a
# second in batches of 32 on 2 cores: they fit 203e9 operations a second and
# 3.2 ns a weight.
_SECONDS_OF_UPDATE = 3.2e-9
# The start of a command: the import of TensorFlow, tracing, records.
START_SECONDS = 20.0
# How many times as long as estimated a stage may take.
_MOST = 2.5
# A run keeps its weights, once, and two checkpoints to resume from: weights and
# two moments, float32. A third is written before the oldest is removed.
_BYTES_PER_WEIGHT = 4 * (1 + 2 * 3 + 3)


@dataclasses.dataclass(frozen=True)
class Work:
  """The work of one command.

  Attributes:
    config: the model's.
    num_trained: examples in all epochs together.
    num_scored: examples that are evaluated, predicted or dumped.
    length: their mean number of tokens.
    batch: examples in a step.
  """

  config: BertConfig
  num_trained: float
  num_scored: float
  length: float
  batch: int = 1

  def seconds(self, rate: float) -> float:
    """Returns the estimated time.

    Args:
      rate: operations per second, as `measured_rate`.
    """
    length = max(round(self.length), 1)
    forward = flops.classifier_flops(self.config, 1, length, num_outputs=2)
    products = forward * (3 * self.num_trained + self.num_scored) / rate
    num_steps = self.num_trained / self.batch
    weights = count_parameters(self.config)
    return START_SECONDS + products + num_steps * weights * _SECONDS_OF_UPDATE


def measured_rate() -> float:
  """Measures the operations per second of matrix products on all cores.

  One core is measured: threads of NumPy that wait for a core spin, and then a
  busy machine looks slower than it is.
  """
  generator = np.random.default_rng(0)
  matrix = generator.random((_SIZE, _SIZE), np.float32)
  with threadpool_limits(1):
    matrix @ matrix
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < _SECONDS:
      matrix @ matrix
      count += 1
    seconds = time.perf_counter() - begin
  return 2 * _SIZE**3 * count / seconds * threads.num_cores()


def disk_bytes(*trained: BertConfig) -> int:
  """Returns what the folders of some trained models may take."""
  return sum(_BYTES_PER_WEIGHT * count_parameters(each) for each in trained)


def about(seconds: float) -> str:
  """Returns a time in words.

  >>> about(20), about(40), about(700), about(9000)
  ('under a minute', 'up to 2 min', '11 to 30 min', '2.5 to 6.2 h')
  """
  minutes, most = seconds / 60, _MOST * seconds / 60
  if most < 1:
    return 'under a minute'
  if minutes < 1:
    return f'up to {math.ceil(most)} min'
  if minutes < 60:
    return f'{int(minutes)} to {math.ceil(most)} min'
  return f'{minutes / 60:.1f} to {most / 60:.1f} h'
