r"""Scores a bag-of-words baseline, the floor for models of a task.

  python -m tools.bag_of_words --data_dir=quickstart/data \
    --output_file=quickstart/results/bag-of-words-seed1.json

The tool fits a logistic regression on the TF-IDF weights of the words in the
train split and reports the accuracy on the dev and test splits. A model that
does not beat it has learnt nothing that needs a neural network. The data is
that of `--task_name=custom`: local files train, dev and test with the columns
sentence and label. The test split must have labels, too.
"""

import json
import time
from collections.abc import Sequence

from absl import flags

from cli import flag_group, script
from data.tasks import custom
from system.errors import UserError
from tools import local_files

FLAGS = flags.FLAGS

# (sentence, label)
Row = tuple[str, str]


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'data_dir', None, 'The folder with train.tsv, dev.tsv and test.tsv.'
  )
  flags.DEFINE_string(
    'output_file', None, 'The JSON file to write; by default only printed.'
  )
  flags.DEFINE_integer(
    'seed',
    1,
    'Recorded in the JSON; fitting uses no random numbers.',
    lower_bound=0,
  )


def evaluate(
  train: Sequence[Row], dev: Sequence[Row], test: Sequence[Row]
) -> dict[str, float | int]:
  """Fits the baseline on train and scores it on dev and test.

  Returns:
    'dev_accuracy' and 'accuracy' (on test) in [0, 1]; 'parameters', the number
    of weights and biases of the regression; 'examples_per_second', the speed of
    predicting test from text to label on one core.
  """
  from sklearn.feature_extraction.text import TfidfVectorizer
  from sklearn.linear_model import LogisticRegression
  from sklearn.pipeline import make_pipeline

  # scikit-learn's default regularisation: a baseline is not tuned.
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
  """Prints the scores and writes them to --output_file, if given."""
  flag_group.require('data_dir')
  splits = [read_split(FLAGS.data_dir, s) for s in ('train', 'dev', 'test')]
  result = {'method': 'bag-of-words', 'seed': FLAGS.seed, **evaluate(*splits)}
  text = json.dumps(result, indent=2) + '\n'
  print(text, end='')
  if FLAGS.output_file:
    local_files.write(FLAGS.output_file, text)


def _columns(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
  return [sentence for sentence, _ in rows], [label for _, label in rows]


if __name__ == '__main__':
  define_flags()
  script.run(main)
