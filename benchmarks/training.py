"""Measures training and scoring here, and by what one would use instead.

    python benchmarks/training.py --vocab_file=vocab.txt \\
        --wiki_file='wiki-*.txt.gz' --sst_2_dir=glue/SST-2

On the same text, with models of the same sizes and random weights: pre-training
(a step of --train_batch_size records of 128 tokens, 20 of them masked),
fine-tuning on SST-2, distillation from a dump of logits, and scoring, from
SST-2's texts to their logits. The others are PyTorch with Hugging Face's
transformers (the extra 'bench'), and tf-models-official as it comes.

Each is a process of its own. They take turns of a second or two in which the
others wait, so that other load on the machine meets all. What is printed are
medians over the rounds. 'time' and 'CPU time' of an example are ratios to this
project in the same round; 'of peak' is what a step's matrix products come to in
a second, as a share of what one large product reached in the same round.

With --profile nobody is compared: it prints where this project's time goes.
"""

import contextlib
import dataclasses
import json
import os
import sys
import tempfile

import machine
import rounds
import training_profile
import training_table
from absl import app, flags
from rounds import Worker
from training_jobs import KINDS, Job

from cli import script
from system.errors import UserError
from tools import local_files

FLAGS = flags.FLAGS

_VOCAB_FILE = flags.DEFINE_string(
  'vocab_file', None, 'The vocabulary, an uncased one.', required=True
)
_WIKI_FILE = flags.DEFINE_string(
  'wiki_file',
  None,
  'Text to pre-train on, plain or gzip, a sentence a line, blank lines between '
  'documents: globs, separated by commas.',
)
_SST_2_DIR = flags.DEFINE_string('sst_2_dir', None, "GLUE's folder of SST-2.")
_JOBS = flags.DEFINE_list('jobs', [*KINDS], 'What is measured.')
_SIZES = flags.DEFINE_list('sizes', ['2/128', '4/256'], 'Sizes of the model.')
_PEERS = flags.DEFINE_list(
  'peers', ['hugging_face', 'tf_models'], 'Which to compare with, or none.'
)
_TRAIN_BATCH_SIZE = flags.DEFINE_integer(
  'train_batch_size', 32, 'Examples in a training step.', 1
)
_PREDICT_BATCH_SIZE = flags.DEFINE_integer(
  'predict_batch_size', 64, 'Examples in a batch of scoring.', 1
)
_NUM_EXAMPLES = flags.DEFINE_integer(
  'num_examples', 16384, "How many of SST-2's training rows are used.", 1
)
_NUM_ROUNDS = flags.DEFINE_integer('num_rounds', 9, 'Rounds of each job.', 1)
_ROUND_SECONDS = flags.DEFINE_float(
  'round_seconds', 1.5, 'How long a turn takes, one step at the least.', 0.0
)
_PATIENCE = flags.DEFINE_float(
  'patience',
  0.0,
  'For how many seconds each turn waits, and is taken again, while others are '
  'busy on the machine.',
  0.0,
)
_WORK_DIR = flags.DEFINE_string(
  'work_dir', None, 'Keeps the records for another time; a new folder if none.'
)
_PROFILE = flags.DEFINE_bool(
  'profile',
  False,
  "Print where this project's time goes instead; no peer and no round is run.",
)
_OUTPUT_JSON = flags.DEFINE_string(
  'output_json', None, 'Gets all numbers, and what they were measured on.'
)

_OURS = ('this project', 'ours', '')
# (title, engine, variant) of those who can do a job.
_OTHERS = {
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


def main(argv: list[str]) -> None:
  if len(argv) > 1:
    raise app.UsageError(f'unexpected arguments: {argv[1:]}')
  try:
    _run()
  except UserError as error:
    script.fail(str(error))
  except KeyboardInterrupt:
    script.fail('interrupted; --output_json, if given, has the whole jobs')


def _run() -> None:
  _check_flags()
  script.set_environment()
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
      _write(summaries, load_at_start)


def _check_flags() -> None:
  """Raises a `UserError` for what would only fail later."""
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
  """Returns what is to be measured; makes what of its records is missing."""
  import training_data

  from data.text import tokenization

  vocab_size = len(tokenization.load_vocabulary(_VOCAB_FILE.value).tokens)
  jobs = []
  for kind in _JOBS.value:
    is_scoring = kind == 'scoring'
    records = f'{folder}/{kind}.{"json" if is_scoring else "tfrecord"}'
    batch_size = _PREDICT_BATCH_SIZE if is_scoring else _TRAIN_BATCH_SIZE
    arrays = kind if kind == 'pretraining' else 'sst_2'
    any_size = Job(
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
        training_data.pretraining(_WIKI_FILE.value, any_size, folder)
      else:
        training_data.sst_2(
          _SST_2_DIR.value, any_size, folder, _NUM_EXAMPLES.value
        )
    jobs += [dataclasses.replace(any_size, size=size) for size in _SIZES.value]
  return jobs


def _measure(job: Job, folder: str) -> dict:
  """Lets all who can do a job do it in turn."""
  contestants = [_OURS] + [
    contestant
    for contestant in _OTHERS[job.kind]
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


def _write(summaries: list[dict], load_at_start) -> None:
  """Writes --output_json."""
  if not _OUTPUT_JSON.value:
    return
  content = {
    'command': sys.argv,
    'jobs': summaries,
    'machine': machine.describe(),
    'load_average': {'start': load_at_start, 'end': os.getloadavg()},
  }
  local_files.write(_OUTPUT_JSON.value, json.dumps(content, indent=2) + '\n')


if __name__ == '__main__':
  app.run(main)
