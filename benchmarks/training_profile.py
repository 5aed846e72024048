"""Where the time of this project's steps goes, for `training`.

A job runs in a process of its own under TensorFlow's profiler. A training
step's operations run one at a time, so that their times add up; the step takes
longer that way. In scoring each thread has a core.
"""

import collections
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import processes
from contest import environment
from training_jobs import PRODUCT_FLOPS, Job, step_flops

from devices import flops
from modeling import configs
from system.errors import UserError

# What is profiled takes about so many seconds.
_SECONDS = 4.0
_PRODUCTS = 'matrix products'
# Kinds of work, and how the names of their operations, 'scope/name:Kind',
# read; the first that is found counts.
_KINDS = {
  _PRODUCTS: r'MatMul\w*$',
  'optimizer': r'(^|/)optimizer/|ApplyAdam',
  'LayerNorm': r'/layer_norm',
  'dropout': r':(StatelessRandom\w*|Bitcast|GreaterEqual|SelectV2)$',
  'GELU, by XLA': r'^ExecutorState::ProcessAsync::Start$',
  'softmax': r':(_MklSoftmax|Max)$',
  'transposing': r'Transpose$',
  'bias gradients': r':BiasAddGrad$',
  "embeddings' gradients": r':(UnsortedSegmentSum|TensorScatterSub|AddN)$',
}
_OTHER = 'other operations'
_OPERATION = re.compile(r'[\w./-]+:\w+|ExecutorState::ProcessAsync::Start')


def measure(job: Job, folder: str) -> dict:
  """Profiles a job.

  Args:
    job: what to run.
    folder: gets a log of what libraries print.

  Returns:
    'job', 'steps', 'step_milliseconds', 'shares' of the time by kind of work
    and, where they are known, 'share_of_peak_in_products'.

  Raises:
    UserError: it failed.
  """
  log_path = f'{folder}/profile.log'
  with open(log_path, 'wb') as log:
    process = subprocess.run(
      [sys.executable, __file__, job.to_json()],
      stdout=subprocess.PIPE,
      stderr=log,
      env=environment(),
    )
  if process.returncode:
    why = processes.failure(process.returncode, log_path)
    raise UserError(f'{job.title} failed: {why}')
  return json.loads(process.stdout)


def table_lines(result: dict) -> list[str]:
  """Returns a profile's table."""
  head = f'{result["job"]}: {result["step_milliseconds"]:,.0f} ms a step'
  rows = [f'{share:>7.1%}  {kind}' for kind, share in result['shares'].items()]
  if share := result.get('share_of_peak_in_products'):
    rows.append(f'The products reach {share:.0%} of the peak.')
  return ['', head, *rows]


def _kind(operation: str) -> str:
  for kind, pattern in _KINDS.items():
    if re.search(pattern, operation):
      return kind
  return _OTHER


def _operations(folder: str) -> Iterator[tuple[str, float]]:
  """Yields names and seconds of operations, of none that another one runs."""
  from tensorflow.tsl.profiler.protobuf import xplane_pb2

  [path] = glob.glob(f'{folder}/plugins/profile/*/*.xplane.pb')
  with open(path, 'rb') as file:
    space = xplane_pb2.XSpace.FromString(file.read())
  for plane in space.planes:
    if not plane.name.startswith('/host:CPU'):
      continue
    for line in plane.lines:
      end = 0
      for event in sorted(line.events, key=lambda event: event.offset_ps):
        name = plane.event_metadata[event.metadata_id].name
        if event.offset_ps >= end and _OPERATION.fullmatch(name):
          end = event.offset_ps + event.duration_ps
          yield name, event.duration_ps / 1e12


def _timed(run: Callable[[int], int], num_steps: int) -> float:
  start = time.perf_counter()
  run(num_steps)
  return time.perf_counter() - start


def _product_flops(job: Job, num_steps: int) -> float | None:
  """Counts the products of so many steps; None where that is not known."""
  if job.kind == 'pretraining':
    return num_steps * step_flops(job, all_positions=False, whole_head=False)
  if job.kind != 'scoring':
    return None
  import engine_ours

  config = configs.compact_config(job.size, job.vocab_size)
  make_batches, _ = engine_ours.scoring_batches(job)
  return num_steps * sum(
    flops.classifier_flops(config, *batch['input_ids'].shape, num_outputs=2)
    for batch in make_batches()
  )


def _profile(job: Job) -> dict:
  """Returns a job's kinds of work and their shares."""
  import engine_ours
  import engine_product
  import tensorflow as tf

  from devices import strategies

  is_scoring = job.kind == 'scoring'
  if not is_scoring:
    tf.config.threading.set_inter_op_parallelism_threads(1)
  run = engine_ours.make(job)
  num_threads = strategies.num_scoring_threads() if is_scoring else 1
  run(1)
  seconds = _timed(run, 1)
  num_steps = max(1, round(_SECONDS / seconds))
  run(num_steps)  # Batches of all lengths come.
  multiply = engine_product.make(job)
  multiply(3)
  peak = 10 * PRODUCT_FLOPS / _timed(multiply, 10)
  with tempfile.TemporaryDirectory() as folder:
    tf.profiler.experimental.start(folder)
    seconds = _timed(run, num_steps)
    tf.profiler.experimental.stop()
    took = collections.Counter()
    for operation, time_taken in _operations(folder):
      took[_kind(operation)] += time_taken
  product_seconds = took[_PRODUCTS]
  took['between operations'] = num_threads * seconds - took.total()
  result = {
    'job': job.title,
    'steps': num_steps,
    'step_milliseconds': 1e3 * seconds / num_steps,
    'shares': {
      kind: value / seconds / num_threads for kind, value in took.most_common()
    },
  }
  if product_flops := _product_flops(job, num_steps):
    rate = product_flops / product_seconds
    result['share_of_peak_in_products'] = rate / peak
  return result


if __name__ == '__main__':
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)  # Whatever libraries print.
  print(json.dumps(_profile(Job(**json.loads(sys.argv[1])))), file=answers)
