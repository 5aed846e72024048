r"""Measures what word counts alone can do on a classification task.

  python -m tools.bag_of_words --data_dir=quickstart/data \
    --output_file=quickstart/results/bag-of-words-seed1.json

TF-IDF of words, then logistic regression, trained on train.tsv; accuracy on
dev.tsv and test.tsv. A model that does not beat it has learnt nothing that
needs a network. Files are local and as `--task_name=custom` has them: a header
with the columns sentence and label, tab-separated, quotes are text.
"""

import json
import pathlib
import time
from collections.abc import Sequence

from absl import flags

from cli import flag_group, script
from data.tasks import tables
from system.errors import UserError
from tools import local_files

FLAGS = flags.FLAGS

# (sentence, label)
Row = tuple[str, str]


def define_flags() -> None:
  """Defines the flags of this script."""
  flags.DEFINE_string(
    'data_dir', None, 'The folder with train.tsv, dev.tsv and test.tsv.'
  )
  flags.DEFINE_string(
    'output_file', None, 'Where to write the JSON; printed only if not given.'
  )
  flags.DEFINE_integer(
    'seed', 1, 'Recorded in the JSON: fitting draws nothing.', lower_bound=0
  )


def evaluate(
  train: Sequence[Row], dev: Sequence[Row], test: Sequence[Row]
) -> dict[str, float | int]:
  """Fits on train, scores on dev and test.

  Returns:
    'dev_accuracy' and, on test, 'accuracy' in [0, 1]; 'parameters', the weights
    and biases of the regression; 'examples_per_second', predicting test, text
    to label, on one core.
  """
  from sklearn.feature_extraction.text import TfidfVectorizer
  from sklearn.linear_model import LogisticRegression
  from sklearn.pipeline import make_pipeline

  # The library's own strength of regularisation: it is a baseline, not tuned.
  model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True), LogisticRegression(max_iter=1000)
  )
  model.fit(*_columns(train))
  dev_accuracy = model.score(*_columns(dev))
  start = time.perf_counter()
  test_accuracy = model.score(*_columns(test))
  seconds = time.perf_counter() - start
  regression = model[-1]
  return {
    'dev_accuracy': float(dev_accuracy),
    'accuracy': float(test_accuracy),
    'parameters': int(regression.coef_.size + regression.intercept_.size),
    'examples_per_second': round(len(test) / seconds, 1),
  }


def read_rows(path: str | pathlib.Path) -> list[Row]:
  """Reads the columns sentence and label of a tab-separated file.

  Raises:
    UserError: the file is missing or empty, lacks a column, or a row has more
      or fewer columns than the header; file and line are named.
  """
  try:
    text = pathlib.Path(path).read_bytes().decode('utf-8-sig')
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(f'cannot read {path}: {error}') from error
  # Not splitlines(): a sentence may hold a line separator of Unicode.
  lines = text.removesuffix('\n').split('\n') if text else []
  lines = [line.removesuffix('\r') for line in lines]
  rows = []
  for number, row in tables.tsv_rows(lines, path, ('sentence', 'label')):
    if isinstance(row, str):
      raise UserError(f'{path}, line {number}: {row}')
    rows.append((row['sentence'], row['label']))
  if not rows:
    raise UserError(f'{path} has no rows below its header')
  return rows


def main(_) -> None:
  """Prints the scores, and writes them where a file is given."""
  flag_group.require('data_dir')
  folder = pathlib.Path(FLAGS.data_dir)
  rows = [read_rows(folder / f'{s}.tsv') for s in ('train', 'dev', 'test')]
  result = {'method': 'bag-of-words', 'seed': FLAGS.seed, **evaluate(*rows)}
  text = json.dumps(result, indent=2) + '\n'
  print(text, end='')
  if FLAGS.output_file:
    local_files.write(FLAGS.output_file, text)


def _columns(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
  return [sentence for sentence, _ in rows], [label for _, label in rows]


if __name__ == '__main__':
  define_flags()
  script.run(main)
