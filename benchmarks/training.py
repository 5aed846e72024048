"""Measures training and scoring by this project and by its peers.

  python -m benchmarks.training --vocab_file=vocab.txt \\
    --wiki_file='wiki-*.txt.gz' --sst_2_dir=glue/SST-2

It reproduces the README's numbers. All contestants work on the same text, with
models of the same sizes and random weights. The jobs are pre-training (steps of
--train_batch_size records of 128 tokens, 20 of them masked), fine-tuning on
SST-2, distillation from dumped logits, and scoring SST-2's texts. The peers are
Hugging Face's transformers on PyTorch (the extra 'bench') and
tf-models-official.

Each contestant is a separate process. They take turns of a second or two while
the others wait, so that other load on the machine affects all of them. The
tables show medians over the rounds. 'time' and 'CPU time' are ratios to this
project per example, in the same round. 'of peak' is the speed of a step's
matrix products as a share of the speed of one large product in the same round.

--profile compares nothing; it shows where this project's time goes.
"""

import contextlib
import dataclasses
import os
import sys
import tempfile

from absl import flags

from benchmarks import machine, rounds, training_profile, training_table
from benchmarks.rounds import Worker
from benchmarks.training_jobs import KINDS, Job
from cli import script
from system.errors import UserError

FLAGS = flags.FLAGS

_VOCAB_FILE = flags.DEFINE_string(
  'vocab_file', None, 'An uncased vocabulary.', required=True
)
_WIKI_FILE = flags.DEFINE_string(
  'wiki_file',
  None,
  'Text for pre-training, plain or gzip, one sentence per line, blank lines '
  'between documents: globs, separated by commas.',
)
_SST_2_DIR = flags.DEFINE_string('sst_2_dir', None, "GLUE's folder SST-2.")
_JOBS = flags.DEFINE_list('jobs', [*KINDS], 'The jobs to measure.')
_SIZES = flags.DEFINE_list(
  'sizes', ['2/128', '4/256'], 'Model sizes: layers/hidden size.'
)
_PEERS = flags.DEFINE_list(
  'peers', ['hugging_face', 'tf_models'], 'The peers; may be empty.'
)
_TRAIN_BATCH_SIZE = flags.DEFINE_integer(
  'train_batch_size', 32, 'Examples per training step.', 1
)
_PREDICT_BATCH_SIZE = flags.DEFINE_integer(
  'predict_batch_size', 64, 'Examples per scoring batch.', 1
)
_NUM_EXAMPLES = flags.DEFINE_integer(
  'num_examples', 16384, "Number of SST-2's training rows to use.", 1
)
_NUM_ROUNDS = flags.DEFINE_integer('num_rounds', 9, 'Rounds per job.', 1)
_ROUND_SECONDS = flags.DEFINE_float(
  'round_seconds', 1.5, 'Duration of a turn, which has at least one step.', 0.0
)
_PATIENCE = flags.DEFINE_float(
  'patience',
  0.0,
  'The number of seconds for which each turn waits, and is repeated, while '
  'other processes are busy.',
  0.0,
)
_WORK_DIR = flags.DEFINE_string(
  'work_dir', None, 'A folder that keeps the records; by default temporary.'
)
_PROFILE = flags.DEFINE_bool(
  'profile',
  False,
  "Show where this project's time goes instead, without peers and rounds.",
)
_OUTPUT_JSON = flags.DEFINE_string(
  'output_json', None, 'The JSON file for all numbers and the machine.'
)

_OURS = ('this project', 'ours', '')
# job → (title, engine, variant) of each peer that can do it.
_THEIRS = {
  'pretraining': [
    ('Hugging Face, gathered', 'hugging_face', 'gathered'),
    ('Hugging Face, stock head', 'hugging_face', 'stock'),
    ('tf-models-official', 'tf_models', ''),
  ],
  'fine_tuning': [
    ('Hugging Face, dynamic', 'hugging_face', 'dynamic'),
    ('Hugging Face, padded', 'hugging_face', 'padded'),
    ('tf-models-official', 'tf_models', ''),
  ],
  'distillation': [
    ('Hugging Face, dynamic', 'hugging_face', 'dynamic'),
    ('Hugging Face, padded', 'hugging_face', 'padded'),
  ],
  'scoring': [('Hugging Face, sorted', 'hugging_face', 'dynamic')],
}


def main(_: list[str]) -> None:
  """Measures all jobs; prints and saves the results after each."""
  try:
    _measure_jobs()
  except KeyboardInterrupt:
    script.fail('interrupted; --output_json, if given, has the finished jobs')


def _measure_jobs() -> None:
  _check_flags()
  load_at_start = os.getloadavg()
  summaries = []
  with contextlib.ExitStack() as stack:
    folder = _WORK_DIR.value or stack.enter_context(
      tempfile.TemporaryDirectory(prefix='training.')
    )
    for job in _jobs(folder):
      if _PROFILE.value:
        summaries.append(training_profile.measure(job, folder))
        lines = training_profile.table_lines(summaries[-1])
      else:
        summaries.append(_measure(job, folder))
        lines = training_table.lines(summaries[-1])
      print('\n'.join(lines), flush=True)
      machine.save(
        _OUTPUT_JSON.value,
        {'command': sys.argv, 'jobs': summaries},
        load_at_start,
      )


def _check_flags() -> None:
  """Raises a `UserError` for mistakes that would show late."""
  for flag, given, known in (
    ('jobs', _JOBS.value, KINDS),
    ('peers', _PEERS.value, ('hugging_face', 'tf_models')),
  ):
    if unknown := sorted(set(given) - set(known)):
      raise UserError(
        f'--{flag}={",".join(unknown)}: expected {", ".join(known)}'
      )
  if 'pretraining' in _JOBS.value and not _WIKI_FILE.value:
    raise UserError('--wiki_file must be given to measure pre-training')
  if set(_JOBS.value) != {'pretraining'} and not _SST_2_DIR.value:
    raise UserError('--sst_2_dir must be given to measure all but pre-training')


def _jobs(folder: str) -> list[Job]:
  """Returns the jobs to measure; makes their records if missing."""
  from benchmarks import training_data
  from data.text import tokenization

  vocab_size = len(tokenization.load_vocabulary(_VOCAB_FILE.value).tokens)
  jobs = []
  for kind in _JOBS.value:
    is_scoring = kind == 'scoring'
    records = f'{folder}/{kind}.{"json" if is_scoring else "tfrecord"}'
    batch_size = _PREDICT_BATCH_SIZE if is_scoring else _TRAIN_BATCH_SIZE
    arrays = kind if kind == 'pretraining' else 'sst_2'
    job = Job(
      kind=kind,
      size='',
      vocab_file=_VOCAB_FILE.value,
      vocab_size=vocab_size,
      records=records,
      arrays=f'{folder}/{arrays}.npz',
      batch_size=batch_size.value,
    )
    if not os.path.exists(records):
      if kind == 'pretraining':
        training_data.pretraining(_WIKI_FILE.value, job, folder)
      else:
        training_data.sst_2(_SST_2_DIR.value, job, folder, _NUM_EXAMPLES.value)
    jobs += [dataclasses.replace(job, size=size) for size in _SIZES.value]
  return jobs


def _measure(job: Job, folder: str) -> dict:
  """Measures all contestants that can do a job."""
  contestants = [_OURS] + [
    contestant
    for contestant in _THEIRS[job.kind]
    if contestant[1] in _PEERS.value
  ]
  with contextlib.ExitStack() as stack:
    workers = [
      stack.enter_context(
        Worker(
          title, [engine, variant, job.to_json()], f'{folder}/{number}.log'
        )
      )
      for number, (title, engine, variant) in enumerate(
        [*contestants, ('product', 'product', '')]
      )
    ]
    rounds.alternate(
      workers, _NUM_ROUNDS.value, _ROUND_SECONDS.value, _PATIENCE.value
    )
  return training_table.summarise(job, workers[:-1], workers[-1])


if __name__ == '__main__':
  script.run(main)
