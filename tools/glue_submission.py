r"""Collects predictions on GLUE's test sets into the zip for gluebenchmark.com.

  python -m tools.glue_submission --output_file=submission.zip \
    --predictions=CoLA=out/cola,SST-2=out/sst2,MNLI=out/mnli,AX=out/ax

Each folder is the --output_dir of a run of run_classifier.py or
run_distillation.py with --do_predict on GLUE's official test file.

The zip holds one TSV file for each test set: the header `index`, `prediction`,
then one line per example in the order of the indices, 0 to N - 1. Labels are
spelled as in GLUE's training files; STS-B's numbers are in [0, 5]. The site
accepts only submissions with all eleven files.
"""

import io
import math
import os
import zipfile
from collections.abc import Mapping
from typing import NamedTuple

from absl import flags, logging

from cli import flag_group, script
from data.tasks import glue
from system import files
from system.errors import UserError, shown
from training.result_files import read_predictions

FLAGS = flags.FLAGS

_HIGHEST_SIMILARITY = 5.0  # STS-B's scale begins at 0.
# The earliest time of the zip format, so that the bytes don't change with time.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class TestSet(NamedTuple):
  """One file of a submission."""

  file: str  # The name that the site requires.
  task: str  # The task whose run predicts it.
  predictions: str  # The name of the file in the run's folder.
  num_rows: int
  filler: str  # A frequent label, used if the test set has no run.


def _test_set(file, num_rows, filler, task=None, **changes) -> TestSet:
  task = task or file
  defaults = {'predictions': 'predictions.tsv'} | changes
  return TestSet(
    f'{file}.tsv', task, num_rows=num_rows, filler=filler, **defaults
  )


TEST_SETS = (
  _test_set('CoLA', 1063, '1'),
  _test_set('SST-2', 1821, '1'),
  _test_set('MRPC', 1725, '1'),
  _test_set('STS-B', 1379, '2.5'),
  _test_set('QQP', 390_965, '0'),
  _test_set('MNLI-m', 9796, 'entailment', 'MNLI'),
  _test_set(
    'MNLI-mm',
    9847,
    'entailment',
    'MNLI',
    predictions='predictions_mismatched.tsv',
  ),
  _test_set('QNLI', 5463, 'entailment'),
  _test_set('RTE', 3000, 'entailment'),
  _test_set('WNLI', 146, '0'),
  _test_set('AX', 1104, 'entailment'),
)


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_list(
    'predictions',
    None,
    'TASK=FOLDER, separated by commas: the --output_dir of each run. The run '
    'of MNLI gives two files, matched and mismatched.',
  )
  flags.DEFINE_string('output_file', None, 'The zip file to write.')
  flags.DEFINE_bool(
    'fill_missing',
    False,
    'Whether to fill test sets that have no run with one constant label. GLUE '
    'requires all files; the scores of filled ones are meaningless.',
  )


def main(_: list[str]) -> None:
  """Writes the zip file."""
  flag_group.require('predictions', 'output_file')
  texts, filled = collect(parse_folders(FLAGS.predictions), FLAGS.fill_missing)
  write_zip(FLAGS.output_file, texts)
  if filled:
    logging.warning('One constant label in: %s', ', '.join(filled))
  logging.info('Wrote %d files to %s', len(texts), FLAGS.output_file)


def parse_folders(items: list[str]) -> dict[str, str]:
  """Parses 'TASK=FOLDER' items to task → folder.

  Raises:
    UserError: an item is malformed, or its task is unknown or given twice.
  """
  tasks = {glue.key(test_set.task): test_set.task for test_set in TEST_SETS}
  folders: dict[str, str] = {}
  for item in items:
    name, equals, folder = item.partition('=')
    task = tasks.get(glue.key(name))
    if not equals or not folder or task is None:
      raise UserError(
        f'--predictions: expected TASK=FOLDER, received {shown(item)}; tasks: '
        f'{", ".join(tasks.values())}'
      )
    if task in folders:
      raise UserError(f'--predictions: {name} is given twice')
    folders[task] = folder
  return folders


def collect(
  folders: Mapping[str, str], fill_missing: bool
) -> tuple[dict[str, str], list[str]]:
  """Makes the files of a submission.

  Args:
    folders: task → the folder of the run that predicted its test set.
    fill_missing: whether tasks without a folder get one constant label.

  Returns:
    The files, name → text, and the names of the files with one constant label.

  Raises:
    UserError: tasks are missing and `fill_missing` is false (the message names
      them), or a file does not fit its test set.
  """
  missing = [t.file for t in TEST_SETS if t.task not in folders]
  if missing and not fill_missing:
    raise UserError(
      f'--predictions lacks the tasks of {", ".join(missing)}, and GLUE '
      'requires all files. --fill_missing fills them with one constant label.'
    )
  texts = {}
  for test_set in TEST_SETS:
    if test_set.file in missing:
      predictions = [test_set.filler] * test_set.num_rows
    else:
      path = os.path.join(folders[test_set.task], test_set.predictions)
      predictions = _read(test_set, path)
    rows = [f'{i}\t{label}\n' for i, label in enumerate(predictions)]
    texts[test_set.file] = ''.join(['index\tprediction\n', *rows])
  return texts, missing


def write_zip(path: str, texts: Mapping[str, str]) -> None:
  """Writes files into a zip; the same texts give the same bytes."""
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w') as archive:
    for name, text in texts.items():
      info = zipfile.ZipInfo(name, _FIXED_TIME)
      info.external_attr = 0o644 << 16
      archive.writestr(info, text, zipfile.ZIP_DEFLATED)
  with files.open_write(path, 'wb') as file:
    file.write(buffer.getvalue())


def _read(test_set: TestSet, path: str) -> list[str]:
  """Returns one test set's predictions in the order of the indices."""
  rows = read_predictions(files.require_file(path, test_set.file))
  if rows and 'label' in rows[0]:
    raise UserError(
      f'{path} has labels, so its examples are not those of the test set. Run '
      '--do_predict with --predict_split=test.'
    )
  if len(rows) != test_set.num_rows:
    raise UserError(
      f'{path} has {len(rows)} predictions, the test set of {test_set.file} '
      f'has {test_set.num_rows} examples'
    )
  by_index = {row['example_id']: row['prediction'] for row in rows}
  indices = [str(i) for i in range(test_set.num_rows)]
  if absent := [index for index in indices if index not in by_index]:
    raise UserError(
      f'{path}: the ids of {test_set.file} are 0 to {test_set.num_rows - 1}; '
      f'{len(absent)} are missing, the first is {absent[0]}'
    )
  labels = glue.get_task(test_set.task).labels
  check = _check_label if labels else _clip
  return [check(by_index[index], labels, path) for index in indices]


def _check_label(label: str, labels: tuple[str, ...], path: str) -> str:
  if label not in labels:
    raise UserError(
      f'{path} predicts {shown(label)}, expected one of {", ".join(labels)}'
    )
  return label


def _clip(number: str, _, path: str) -> str:
  """Returns a predicted similarity, clipped to the scale of the labels."""
  value = float(number)
  if not math.isfinite(value):
    raise UserError(f'{path} predicts {number}: the model has diverged')
  return repr(min(max(value, 0.0), _HIGHEST_SIMILARITY))


if __name__ == '__main__':
  define_flags()
  script.run(main)
