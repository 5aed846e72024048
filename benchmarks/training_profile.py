"""Shows where the time of this project's steps goes, for `training`.

A job runs in a separate process under TensorFlow's profiler. The operations of
a training step run one at a time, so that their times add up; this makes the
step slower. Scoring uses one thread per core.
"""

import collections
import glob
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

from benchmarks import processes
from benchmarks.training_jobs import BenchmarkJob, step_flops
from benchmarks.training_worker import redirect_stdout
from devices import flops
from modeling import configs
from system.errors import UserError

# The approximate duration of the profiled steps.
_SECONDS = 4.0
_PRODUCTS = 'matrix products'
# Kind of work → a pattern for the names of its operations, 'scope/name:Kind'.
# An operation belongs to the first kind that matches.
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


def measure(job: BenchmarkJob, folder: str) -> dict:
  """Profiles a job.

  Args:
    job: the job.
    folder: a folder for the log, which holds the output of libraries.

  Returns:
    'job', 'steps', 'step_milliseconds', 'shares' of the time by kind of work
    and, if it is known, 'share_of_peak_in_products'.

  Raises:
    UserError: the process failed.
  """
  log_path = f'{folder}/profile.log'
  with open(log_path, 'wb') as log:
    process = subprocess.run(
      [sys.executable, '-m', 'benchmarks.training_profile', job.to_json()],
      stdout=subprocess.PIPE,
      stderr=log,
      env=processes.environment(),
    )
  if process.returncode:
    failure = processes.failure(process.returncode, log_path)
    raise UserError(f'{job.title} failed: {failure}')
  return json.loads(process.stdout)


def table_lines(result: dict) -> list[str]:
  """Returns the lines of a profile's table."""
  header = f'{result["job"]}: {result["step_milliseconds"]:,.0f} ms a step'
  rows = [f'{share:>7.1%}  {kind}' for kind, share in result['shares'].items()]
  if share := result.get('share_of_peak_in_products'):
    rows.append(f'The products reach {share:.0%} of the peak.')
  return ['', header, *rows]


def _kind(operation: str) -> str:
  for kind, pattern in _KINDS.items():
    if re.search(pattern, operation):
      return kind
  return _OTHER


def _operations(folder: str) -> Iterator[tuple[str, float]]:
  """Yields name and seconds of each operation, without nested operations."""
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


def _seconds(run_steps: Callable[[int], int], num_steps: int) -> float:
  start = time.perf_counter()
  run_steps(num_steps)
  return time.perf_counter() - start


def _product_flops(job: BenchmarkJob, num_steps: int) -> float | None:
  """Counts the operations in the steps' products; None if not known."""
  if job.kind == 'pretraining':
    return num_steps * step_flops(job, all_positions=False, whole_head=False)
  if job.kind != 'scoring':
    return None
  from benchmarks import engine_ours

  config = configs.compact_config(job.size, job.vocab_size)
  make_batches, _ = engine_ours.scoring_batches(job)
  return num_steps * sum(
    flops.classifier_flops(config, *batch['input_ids'].shape, num_outputs=2)
    for batch in make_batches()
  )


def _profile(job: BenchmarkJob) -> dict:
  """Profiles a job in this process; see `measure`."""
  import tensorflow as tf

  from benchmarks import engine_ours, engine_product
  from devices import strategies

  is_scoring = job.kind == 'scoring'
  if not is_scoring:
    tf.config.threading.set_inter_op_parallelism_threads(1)
  run_steps = engine_ours.make(job)
  num_threads = strategies.num_scoring_threads() if is_scoring else 1
  run_steps(1)
  num_steps = max(1, round(_SECONDS / _seconds(run_steps, 1)))
  run_steps(num_steps)  # Compiles the step for batches of all lengths.
  multiply = engine_product.make(job)
  multiply(3)
  peak = 10 * job.product_flops / _seconds(multiply, 10)
  with tempfile.TemporaryDirectory() as folder:
    tf.profiler.experimental.start(folder)
    seconds = _seconds(run_steps, num_steps)
    tf.profiler.experimental.stop()
    kind_seconds = collections.Counter()
    for operation, operation_seconds in _operations(folder):
      kind_seconds[_kind(operation)] += operation_seconds
  product_seconds = kind_seconds[_PRODUCTS]
  kind_seconds['between operations'] = (
    num_threads * seconds - kind_seconds.total()
  )
  result = {
    'job': job.title,
    'steps': num_steps,
    'step_milliseconds': 1e3 * seconds / num_steps,
    'shares': {
      kind: value / seconds / num_threads
      for kind, value in kind_seconds.most_common()
    },
  }
  if product_flops := _product_flops(job, num_steps):
    rate = product_flops / product_seconds
    result['share_of_peak_in_products'] = rate / peak
  return result


if __name__ == '__main__':
  stdout = redirect_stdout()
  print(json.dumps(_profile(BenchmarkJob.from_json(sys.argv[1]))), file=stdout)
