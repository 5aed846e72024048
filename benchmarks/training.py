"""Measures training and scoring by this project and by its peers.

  python -m benchmarks.training --vocab_file=vocab.txt \\
    --wiki_file='wiki-*.txt.gz' --sst_2_dir=glue/SST-2

It makes two tables of docs/speed.md: 'Training and scoring' and, with
--profile, 'Where the time goes'. All contestants work on the same text, with
models of the same sizes and random weights. The jobs are pre-training (records
of 128 tokens, 20 of them masked), fine-tuning on SST-2, distillation from
dumped logits, scoring SST-2's texts, and the start of run_pretraining.py up to
its 100th step, without and with XLA's cache. The peers are Hugging Face's
transformers on PyTorch (the extra 'bench') and tf-models-official. Without text
or tasks, the data is synthetic.

Each contestant is a separate process. They take turns of a second or two while
the others wait, so that other load on the machine affects all of them. The
tables show medians over the rounds. 'time' and 'CPU time' are ratios to this
project per example, in the same round. 'of peak' is the speed of a step's
matrix products as a share of the speed of one large product in the same round;
it counts every record as if it were full.

On a machine with a GPU, --plan=auto chooses other defaults: bfloat16, larger
batches, `torch.compile` for the peer, and limits of time for each job and for
the whole command, which ends within eight minutes.

--profile compares nothing; it shows where this project's time goes.
"""

import contextlib
import dataclasses
import functools
import json
import math
import os
import sys
import tempfile
import time
from typing import Any

from absl import flags

from benchmarks import (
  machine,
  processes,
  rounds,
  training_plan,
  training_profile,
  training_start,
  training_table,
)
from benchmarks.rounds import Worker
from benchmarks.training_jobs import PRECISIONS, BenchmarkJob
from benchmarks.training_plan import Contestant, Item, Plan
from cli import script
from system import threads
from system.errors import UserError
from system.machine import gpus

FLAGS = flags.FLAGS

_VOCAB_FILE = flags.DEFINE_string(
  'vocab_file', None, 'An uncased vocabulary; synthetic if not given.'
)
_WIKI_FILE = flags.DEFINE_string(
  'wiki_file',
  None,
  'Text for pre-training, plain or gzip, one sentence per line, blank lines '
  'between documents: globs, separated by commas. Synthetic if not given.',
)
_SST_2_DIR = flags.DEFINE_string(
  'sst_2_dir', None, "GLUE's folder SST-2; synthetic if not given."
)
_PLAN = flags.DEFINE_enum(
  'plan',
  'auto',
  ['auto', 'cpu', 'gpu'],
  'The defaults of the flags below; auto looks for an NVIDIA GPU.',
)
_JOBS = flags.DEFINE_list(
  'jobs',
  None,
  'The jobs to measure, in this order: pretraining, fine_tuning, distillation, '
  'scoring, start; or with a size, pretraining:2/128; or with a size and a '
  'batch size, pretraining:2/128:1024.',
)
_SIZES = flags.DEFINE_list(
  'sizes', None, 'The sizes of jobs that name none: layers/hidden size.'
)
_PEERS = flags.DEFINE_list(
  'peers', [*training_plan.PEERS], 'The peers; may be empty.'
)
_VARIANTS = flags.DEFINE_list(
  'variants',
  [],
  'Settings of this project to compare with its defaults, each as an '
  'additional contestant: jit_compile=false, dropout_rate=0, '
  'precision=float32; or, in upper case, environment variables; several joined '
  'by +.',
)
_PRECISION = flags.DEFINE_enum(
  'precision',
  None,
  PRECISIONS,
  'The precision of the matrix products, of all contestants.',
)
_TRAIN_BATCH_SIZE = flags.DEFINE_integer(
  'train_batch_size', None, 'Examples per training step.', 1
)
_PREDICT_BATCH_SIZE = flags.DEFINE_integer(
  'predict_batch_size', None, 'Examples per scoring batch.', 1
)
_FULL_RECORDS = flags.DEFINE_bool(
  'full_records',
  None,
  'Whether to leave out pre-training records that need padding. True for CPUs.',
)
_NUM_EXAMPLES = flags.DEFINE_integer(
  'num_examples', 16384, "Number of SST-2's training rows to use.", 1
)
_NUM_ROUNDS = flags.DEFINE_integer('num_rounds', None, 'Rounds per job.', 1)
_ROUND_SECONDS = flags.DEFINE_float(
  'round_seconds', None, 'Duration of a turn, which has at least one step.', 0.0
)
_JOB_SECONDS = flags.DEFINE_float(
  'job_seconds', None, 'The limit of each job; 0 for none.', 0.0
)
_MAX_SECONDS = flags.DEFINE_float(
  'max_seconds',
  None,
  'The limit of the command: jobs that do not fit are left out; 0 for none.',
  0.0,
)
_PATIENCE = flags.DEFINE_float(
  'patience',
  0.0,
  'The number of seconds for which each turn waits, and is repeated, while '
  'other processes are busy.',
  0.0,
)
_TORCH_UNSET = flags.DEFINE_list(
  'torch_unset',
  [],
  'Environment variables that processes with PyTorch do not inherit, if '
  "TensorFlow's libraries need other values than PyTorch's.",
)
_WORK_DIR = flags.DEFINE_string(
  'work_dir',
  None,
  'A folder that keeps the records for further calls with the same data; by '
  'default temporary.',
)
_PROFILE = flags.DEFINE_bool(
  'profile',
  False,
  "Show where this project's time goes instead, without peers and rounds. "
  'Starts are left out.',
)
_OUTPUT_JSON = flags.DEFINE_string(
  'output_json', None, 'The JSON file for all numbers and the machine.'
)
_OUTPUT_LINES = flags.DEFINE_string(
  'output_lines',
  None,
  'A file to which results are appended as they come, as JSON lines.',
)

# Fewer cores than these start one contestant at a time.
_MIN_CORES = 8
_WARM_UP_TURNS = 3
# A job that has less time is left out.
_MIN_JOB_SECONDS = 20.0


def main(_: list[str]) -> None:
  """Measures all jobs; prints and saves the results after each."""
  try:
    _measure_jobs()
  except KeyboardInterrupt:
    script.fail('interrupted; --output_json, if given, has the finished jobs')


def _measure_jobs() -> None:
  plan = _plan()
  items = _items(plan)
  if unknown := sorted(set(_PEERS.value) - set(training_plan.PEERS)):
    raise UserError(
      f'--peers={",".join(unknown)}: expected {", ".join(training_plan.PEERS)}'
    )
  contestants = {
    item.kind: training_plan.contestants(
      item.kind, plan.compiles_peers, _PEERS.value, _VARIANTS.value
    )
    for item in items
    if item.kind != 'start'
  }
  end = time.monotonic() + (plan.max_seconds or math.inf)
  load_at_start = os.getloadavg()
  summaries = []
  with contextlib.ExitStack() as stack:
    folder = _WORK_DIR.value or stack.enter_context(
      tempfile.TemporaryDirectory(prefix='training.')
    )
    for job in _jobs(items, plan, folder):
      summary = _summary(job, folder, plan, contestants, end)
      summaries.append(summary)
      print('\n'.join(_table_lines(summary)), flush=True)
      _append_line(summary)
      machine.save(
        _OUTPUT_JSON.value,
        {'command': sys.argv, 'jobs': summaries},
        load_at_start,
      )
  if failed := [s['job'] for s in summaries if _has_failed(s)]:
    raise UserError(f'not measured: {", ".join(failed)}')


def _has_failed(summary: dict[str, Any]) -> bool:
  return any('failure' in s for s in [summary, *summary.get('starts', ())])


def _plan() -> Plan:
  """Returns the plan with the values of those flags that are given."""
  name = _PLAN.value
  if name == 'auto':
    name = 'gpu' if gpus() else 'cpu'
  plan = training_plan.GPU if name == 'gpu' else training_plan.CPU
  given = {
    'precision': _PRECISION.value,
    'full_records': _FULL_RECORDS.value,
    'num_rounds': _NUM_ROUNDS.value,
    'round_seconds': _ROUND_SECONDS.value,
    'job_seconds': _JOB_SECONDS.value,
    'max_seconds': _MAX_SECONDS.value,
  }
  given = {name: value for name, value in given.items() if value is not None}
  return dataclasses.replace(plan, **given)


def _items(plan: Plan) -> list[Item]:
  """Returns the jobs to measure."""
  batch_sizes = dict(plan.batch_sizes)
  if _TRAIN_BATCH_SIZE.value:
    scoring = batch_sizes['scoring']
    batch_sizes = dict.fromkeys(batch_sizes, _TRAIN_BATCH_SIZE.value)
    batch_sizes['scoring'] = scoring
  if _PREDICT_BATCH_SIZE.value:
    batch_sizes['scoring'] = _PREDICT_BATCH_SIZE.value
  jobs = plan.jobs if _JOBS.value is None else _JOBS.value
  if _PROFILE.value:  # It profiles steps, and a start has none.
    jobs = [job for job in jobs if job.partition(':')[0] != 'start']
  return training_plan.items(jobs, _SIZES.value or plan.sizes, batch_sizes)


def _jobs(items: list[Item], plan: Plan, folder: str) -> list[BenchmarkJob]:
  """Returns the jobs to measure; makes their records if missing."""
  from benchmarks import training_data
  from data.text.vocabulary import load_vocabulary

  data = training_data.Data(
    _VOCAB_FILE.value, _WIKI_FILE.value, _SST_2_DIR.value
  )
  data = data.completed(folder, {item.kind for item in items})
  vocab_size = len(load_vocabulary(data.vocab_file).tokens)
  jobs = []
  for item in items:
    records = 'pretraining' if item.kind == 'start' else item.kind
    extension = 'json' if records == 'scoring' else 'tfrecord'
    arrays = 'pretraining' if records == 'pretraining' else 'sst_2'
    job = BenchmarkJob(
      kind=item.kind,
      size=item.size,
      vocab_file=data.vocab_file,
      vocab_size=vocab_size,
      records=f'{folder}/{records}.{extension}',
      arrays=f'{folder}/{arrays}.npz',
      batch_size=item.batch_size,
      precision=plan.precision,
      product_size=plan.product_size,
    )
    settings = {'vocab_file': _VOCAB_FILE.value}
    if records == 'pretraining':
      source, extent = data.wiki_file, plan.full_records
      settings |= {'wiki_file': _WIKI_FILE.value, 'full_records': extent}
      make = training_data.pretraining
    else:
      source, extent = data.sst_2_dir, _NUM_EXAMPLES.value
      settings |= {'sst_2_dir': _SST_2_DIR.value, 'num_examples': extent}
      make = training_data.sst_2
    training_data.make_once(
      f'{folder}/{arrays}.json',
      settings,
      functools.partial(make, source, job, folder, extent),
    )
    jobs.append(job)
  return jobs


def _summary(
  job: BenchmarkJob,
  folder: str,
  plan: Plan,
  contestants: dict[str, list[Contestant]],
  end: float,
) -> dict[str, Any]:
  """Measures a job; a job that fails or has no time left has a 'failure'."""
  left = end - time.monotonic()
  if left < _MIN_JOB_SECONDS:
    return {'job': job.title, 'failure': 'no time left'}
  limit = min(plan.job_seconds or math.inf, left)
  try:
    if _PROFILE.value:
      return training_profile.measure(job, folder)
    if job.kind == 'start':
      seconds = 0.0 if limit == math.inf else limit / 2
      return training_start.measure(job, folder, seconds)
    return _measure(job, folder, plan, contestants[job.kind], limit)
  except UserError as error:
    return {'job': job.title, 'failure': str(error)}


def _table_lines(summary: dict[str, Any]) -> list[str]:
  if 'failure' in summary:
    return ['', f'{summary["job"]}: {summary["failure"]}']
  if 'starts' in summary:
    return training_start.table_lines(summary)
  if _PROFILE.value:
    return training_profile.table_lines(summary)
  return training_table.lines(summary)


def _measure(
  job: BenchmarkJob,
  folder: str,
  plan: Plan,
  contestants: list[Contestant],
  limit: float,
) -> dict[str, Any]:
  """Measures all contestants that can do a job.

  Raises:
    UserError: this project or the product failed.
  """
  deadline = time.monotonic() + limit
  # A contestant that is not ready when the others need the time drops out.
  num_turns = (plan.num_rounds + _WARM_UP_TURNS) * (len(contestants) + 1)
  start_deadline = deadline - num_turns * plan.round_seconds
  product = Contestant('product', 'product')
  with contextlib.ExitStack() as stack:
    workers = rounds.start(
      (
        stack.enter_context(_worker(contestant, job, f'{folder}/{number}'))
        for number, contestant in enumerate([*contestants, product])
      ),
      plan.starts_at_once and threads.num_cores() >= _MIN_CORES,
      start_deadline,
    )
    for worker in workers:
      result = {'title': worker.title, 'failure': worker.failure}
      _append_line({'job': job.title, **result, **worker.start})
    rounds.alternate(
      *(workers, plan.num_rounds, plan.round_seconds),
      *(_PATIENCE.value, deadline),
    )
  *others, last = workers
  if last.failure:
    raise UserError(f'{last.title} failed: {last.failure}')
  return training_table.summarise(job, others, last)


def _worker(contestant: Contestant, job: BenchmarkJob, path: str) -> Worker:
  """Starts a contestant; its log is `path`.log."""
  is_torch = contestant.engine == 'hugging_face'
  environment = processes.environment(_TORCH_UNSET.value if is_torch else ())
  # Compiled programs of earlier runs would shorten the start.
  environment['TORCHINDUCTOR_CACHE_DIR'] = f'{path}.inductor'
  given = contestant.options.items()
  environment |= {name: value for name, value in given if name.isupper()}
  options = {name: value for name, value in given if not name.isupper()}
  job = dataclasses.replace(job, options=options)
  return Worker(
    contestant.title,
    [contestant.engine, contestant.variant, job.to_json()],
    f'{path}.log',
    environment,
  )


def _append_line(values: dict[str, Any]) -> None:
  if _OUTPUT_LINES.value:
    with open(_OUTPUT_LINES.value, 'a') as file:
      print(json.dumps(values), file=file)


if __name__ == '__main__':
  script.run(main)
