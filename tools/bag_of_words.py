r"""Scores a bag-of-words baseline, the floor for models of a task.

  python -m tools.bag_of_words --data_dir=quickstart/data \
    --results_dir=quickstart/results/quickstart

The tool fits a logistic regression on the TF-IDF weights of the words in the
train split and reports the accuracy on the dev and test splits. A model that
does not beat it has learnt nothing that needs a neural network. The data is
that of `--task_name=custom`: local files train, dev and test with the columns
sentence and label. The test split must have labels, too. The result is a file
like those of `tools.record_result`.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

from cli import flag_group, script
from data.tasks import custom
from system import machine
from system.errors import UserError
from tools import result_record, result_schema

FLAGS = flags.FLAGS

# (sentence, label)
Row = tuple[str, str]


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'data_dir', None, 'The folder with train.tsv, dev.tsv and test.tsv.'
  )
  flags.DEFINE_string(
    'results_dir', None, 'The folder for the result; by default only printed.'
  )
  flags.DEFINE_list(
    'keys',
    'method=bag-of-words,seed=1',
    'What the result stands for: NAME=VALUE,... The seed changes nothing.',
  )


def evaluate(
  train: Sequence[Row], dev: Sequence[Row], test: Sequence[Row]
) -> dict[str, Any]:
  """Fits the baseline on train and scores it on dev and test.

  Returns:
    Fields of a result: 'scores' are 'accuracy' on test and 'dev_accuracy', in
    [0, 1]; 'parameters', the number of weights and biases of the regression;
    'examples_per_second', the speed of predicting test from text to label on
    one core; 'seconds', the time of it all.
  """
  from sklearn.feature_extraction.text import TfidfVectorizer
  from sklearn.linear_model import LogisticRegression
  from sklearn.pipeline import make_pipeline

  # scikit-learn's default regularisation: a baseline is not tuned.
  model = make_pipeline(
    TfidfVectorizer(sublinear_tf=True), LogisticRegression(max_iter=1000)
  )
  begin = time.perf_counter()
  model.fit(*_columns(train))
  dev_accuracy = model.score(*_columns(dev))
  start = time.perf_counter()
  test_accuracy = model.score(*_columns(test))
  end = time.perf_counter()
  regression = model[-1]
  return {
    'scores': {
      'accuracy': float(test_accuracy),
      'dev_accuracy': float(dev_accuracy),
    },
    'split': 'test',
    'parameters': int(regression.coef_.size + regression.intercept_.size),
    'examples_per_second': round(len(test) / (end - start), 1),
    'seconds': round(end - begin, 2),
  }


def read_split(data_dir: str, split: str) -> list[Row]:
  """Reads the labelled sentences of 'train', 'dev' or 'test'.

  Raises:
    UserError: the file is missing, empty or malformed, or a row has no label;
      the message names the file and the line.
  """
  rows = []
  for position, example in custom.in_files()[split].read(data_dir):
    if example.label is None:
      raise UserError(f'{position}: expected a label')
    rows.append((example.text_a, example.label))
  return rows


def main(_: list[str]) -> None:
  """Prints the result and writes it to --results_dir, if given."""
  flag_group.require('data_dir')
  keys = result_record.parse_keys(FLAGS.keys)
  splits = [read_split(FLAGS.data_dir, s) for s in ('train', 'dev', 'test')]
  fields = {
    'keys': keys,
    **evaluate(*splits),
    'command': ['-m', 'tools.bag_of_words', *sys.argv[1:]],
    'versions': machine.versions(('scikit-learn',)),
    'hardware': machine.hardware(),
    'finished': result_record.as_time(time.time()),
  }
  record = result_schema.check(fields, 'the result')
  print(json.dumps(record, indent=2))
  if FLAGS.results_dir:
    name = result_record.file_name(keys)
    result_record.write(FLAGS.results_dir, name, record)


def _columns(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
  return [sentence for sentence, _ in rows], [label for _, label in rows]


if __name__ == '__main__':
  define_flags()
  script.run(main)
