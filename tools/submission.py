"""What GLUE's site takes: one zip with a TSV file for each test set.

A file has a header, `index` and `prediction`, and a line an example in the
order of the indices, 0 to N - 1. Labels are written as they stand in GLUE's
training files, STS-B's numbers within [0, 5]. The site wants all eleven files.
"""

import io
import math
import os
import zipfile
from collections.abc import Mapping
from typing import NamedTuple

from data.tasks import glue
from system import files
from system.errors import UserError
from training.result_files import read_predictions

_HIGHEST_SIMILARITY = 5.0  # STS-B's scale; its lowest is 0.
# The first that a zip file can say; the time of writing would change its bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class TestSet(NamedTuple):
  """One file of a submission."""

  file: str  # As the site wants it.
  task: str  # Whose run predicts it.
  predictions: str  # The file in the run's folder.
  num_rows: int
  filler: str  # A frequent label, where nothing was predicted.


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


def parse_folders(items: list[str]) -> dict[str, str]:
  """Parses 'TASK=FOLDER' items to task → folder.

  Raises:
    UserError: an item has another form, its task is unknown, or is given twice.
  """
  known = {glue.key(test_set.task): test_set.task for test_set in TEST_SETS}
  folders: dict[str, str] = {}
  for item in items:
    name, equals, folder = item.partition('=')
    key = glue.key(name)
    if not equals or not folder or key not in known:
      raise UserError(
        f'--predictions: expected TASK=FOLDER, received {item!r}; tasks: '
        f'{", ".join(known.values())}'
      )
    if known[key] in folders:
      raise UserError(f'--predictions: {name} is given twice')
    folders[known[key]] = folder
  return folders


def collect(
  folders: Mapping[str, str], fill_missing: bool
) -> tuple[dict[str, str], list[str]]:
  """Makes the files of a submission.

  Args:
    folders: task → the folder of a run that predicted its test set.
    fill_missing: whether tasks without a folder get one label throughout.

  Returns:
    file name → text, and which of them were filled.

  Raises:
    UserError: tasks are missing and are not to be filled (they are named), or a
      file does not fit its test set.
  """
  missing = [t.file for t in TEST_SETS if t.task not in folders]
  if missing and not fill_missing:
    raise UserError(
      f'--predictions lacks what becomes {", ".join(missing)}, and GLUE takes '
      'all files or none. --fill_missing gives them one label throughout.'
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


def _read(test_set: TestSet, path: str) -> list[str]:
  """Reads one test set's predictions, in the order of their indices."""
  rows = read_predictions(files.require_file(path, test_set.file))
  if rows and 'label' in rows[0]:
    raise UserError(
      f'{path} has labels: it is not of the test set. Run --do_predict with '
      '--predict_split=test.'
    )
  if len(rows) != test_set.num_rows:
    raise UserError(
      f'{path} has {len(rows)} predictions, the test set of {test_set.file} '
      f'has {test_set.num_rows} examples'
    )
  by_index = {row['example_id']: row['prediction'] for row in rows}
  expected = [str(i) for i in range(test_set.num_rows)]
  if absent := [index for index in expected if index not in by_index]:
    raise UserError(
      f'{path}: the ids of {test_set.file} are 0 to {test_set.num_rows - 1}; '
      f'{len(absent)} are not there, the first is {absent[0]}'
    )
  labels = glue.get_task(test_set.task).labels
  check = _check_label if labels else _clip
  return [check(by_index[index], labels, path) for index in expected]


def _check_label(label: str, labels: tuple[str, ...], path: str) -> str:
  if label not in labels:
    raise UserError(
      f'{path} predicts {label!r}, which is none of {", ".join(labels)}'
    )
  return label


def _clip(number: str, _, path: str) -> str:
  """Returns a predicted similarity, moved into the scale of the labels."""
  value = float(number)
  if not math.isfinite(value):
    raise UserError(f'{path} predicts {number}: the model has diverged')
  return repr(min(max(value, 0.0), _HIGHEST_SIMILARITY))


def write_zip(path: str, texts: Mapping[str, str]) -> None:
  """Writes files into a zip; the same texts give the same bytes."""
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w') as archive:
    for name, text in texts.items():
      info = zipfile.ZipInfo(name, _NO_TIME)
      info.external_attr = 0o644 << 16
      archive.writestr(info, text, zipfile.ZIP_DEFLATED)
  with files.open_write(path, 'wb') as file:
    file.write(buffer.getvalue())
