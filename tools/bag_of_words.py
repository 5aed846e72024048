r"""Scores a bag-of-words baseline, the floor for models of a task.

  python -m tools.bag_of_words --data_dir=quickstart/data \
    --results_dir=quickstart/results/quickstart
  python -m tools.bag_of_words --input_file=reviews.csv --text_column=review \
    --label_column=stars

The tool fits a logistic regression on the TF-IDF weights of the words in the
train split and reports the accuracy on the dev and test splits. A model that
does not beat it has learnt nothing that needs a neural network. With
--regression it fits a ridge regression and reports the correlations. The words
of a pair are those of both texts.

The data is that of `--task_name=custom` in --data_dir: train, dev and test with
the columns sentence and label, or those that you name. Without a test split, or
if it has no labels, only dev is scored. Or it is one table, --input_file,
which is split by label without leaks, 80 : 10 : 10; --dev_file and --test_file
may name separate tables. The result is a file like those of
`tools.record_result`.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags, logging

from cli import flag_group, script
from data.tasks import labelled
from data.tasks.examples import Example
from data.tasks.labelled import Labelled, LabelledOptions
from data.tasks.split_options import FOR_TABLES
from system import local_files, machine
from system.errors import UserError
from tools import result_schema, run_result

FLAGS = flags.FLAGS

# Two or more letters or digits, as scikit-learn takes them; or one character of
# a script that puts no spaces between words: Thai, Lao, Burmese, Khmer, kana,
# Chinese characters.
_WORD = (
  r'(?u)[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff'
  r'\u3400-\u4dbf\u4e00-\u9fff]|\b\w\w+\b'
)

# (text, label)
Row = tuple[str, str]
# Rows of 'train', 'dev' and perhaps 'test'.
Splits = Mapping[str, Sequence[Row]]


def define_flags() -> None:
  """Defines this script's flags."""
  flag_group.define(LabelledOptions)
  flags.DEFINE_string(
    'results_dir', None, 'The folder for the result; by default it is printed.'
  )
  flags.DEFINE_list(
    'keys',
    'method=bag-of-words,seed=1',
    'What the result stands for: NAME=VALUE,... The seed changes nothing.',
  )


def evaluate(splits: Splits, is_regression: bool = False) -> dict[str, Any]:
  """Fits the baseline on train and scores it on dev and test.

  Args:
    splits: the rows.
    is_regression: whether the labels are numbers.

  Returns:
    Fields of a result: 'scores' are 'accuracy' on test, in [0, 1], or 'pearson'
    and 'spearman'; the same on dev, as 'dev_accuracy'; without a test split,
    only those on dev. 'split', the one that is not named in the scores;
    'parameters', the number of weights and biases of the regression;
    'examples_per_second', the speed of predicting it from text to label on one
    core; 'seconds', the time of it all.

  Raises:
    UserError: scikit-learn cannot learn from train.
  """
  from sklearn.feature_extraction.text import TfidfVectorizer
  from sklearn.linear_model import LogisticRegression, Ridge
  from sklearn.pipeline import make_pipeline

  # scikit-learn's default regularisation: a baseline is not tuned.
  regression = Ridge() if is_regression else LogisticRegression(max_iter=1000)
  words = TfidfVectorizer(sublinear_tf=True, token_pattern=_WORD)
  model = make_pipeline(words, regression)
  split = 'test' if 'test' in splits else 'dev'
  begin = time.perf_counter()
  try:
    model.fit(*_columns(splits['train'], is_regression))
  except ValueError as error:  # A single label, or texts without a word.
    raise UserError(f'the train split: {error}') from error
  scores = {}
  for name in dict.fromkeys(['dev', split]):
    texts, labels = _columns(splits[name], is_regression)
    start = time.perf_counter()
    predicted = model.predict(texts)
    end = time.perf_counter()
    prefix = '' if name == split else f'{name}_'
    for metric, value in _scores(labels, predicted, is_regression).items():
      scores[f'{prefix}{metric}'] = value
  return {
    'scores': scores,
    'split': split,
    'parameters': _num_parameters(regression),
    'examples_per_second': round(len(splits[split]) / (end - start), 1),
    'seconds': round(end - begin, 2),
  }


def _num_parameters(regression: Any) -> int:
  # Ridge has a single number as bias.
  biases = getattr(regression.intercept_, 'size', 1)
  return int(regression.coef_.size + biases)


def _scores(
  labels: Sequence[Any], predicted: Sequence[Any], is_regression: bool
) -> dict[str, float | None]:
  """Returns the scores; a correlation that is undefined is None."""
  if not is_regression:
    equal = [a == b for a, b in zip(labels, predicted, strict=True)]
    return {'accuracy': sum(equal) / len(equal)}
  from scipy import stats

  if len(set(labels)) < 2 or len(set(predicted)) < 2:
    return {'pearson': None, 'spearman': None}
  return {
    'pearson': float(stats.pearsonr(labels, predicted).statistic),
    'spearman': float(stats.spearmanr(labels, predicted).statistic),
  }


def _columns(
  rows: Sequence[Row], is_regression: bool
) -> tuple[list[str], list[Any]]:
  labels = [label for _, label in rows]
  if is_regression:
    labels = [float(label) for label in labels]
  return [text for text, _ in rows], labels


def scored_rows(found: Labelled) -> Splits:
  """Returns the rows of train, dev and, if it has labels, test."""
  names = dict.fromkeys(('train', 'dev', found.scored_split))
  return {name: list(map(_row, found.splits[name])) for name in names}


def _row(example: Example) -> Row:
  texts = filter(None, (example.text_a, example.text_b))
  return '\n'.join(texts), example.label


def main(_: list[str]) -> None:
  """Writes the result to --results_dir, or prints it."""
  keys = run_result.parse_keys(FLAGS.keys)
  local_files.require_local(FLAGS.results_dir or '')
  found = _read()
  splits = scored_rows(found)
  sizes = [f'{name} {len(rows):,}' for name, rows in splits.items()]
  logging.info(
    'Examples: %s; %s is scored', ', '.join(sizes), found.scored_split
  )
  fields = {
    'keys': keys,
    **evaluate(splits, found.is_regression),
    'command': ['-m', 'tools.bag_of_words', *sys.argv[1:]],
    'versions': machine.versions(('scikit-learn',)),
    'hardware': machine.hardware(),
    'finished': run_result.as_time(time.time()),
  }
  record = result_schema.check(fields, 'the result')
  if not FLAGS.results_dir:
    print(json.dumps(record, indent=2))
    return
  name = run_result.file_name(keys)
  path = run_result.write(FLAGS.results_dir, name, record)
  logging.info('%s: %s', path, run_result.scores_line(record))


def _read() -> Labelled:
  flag_group.require_one_of('data_dir', 'input_file')
  if FLAGS.data_dir:
    flag_group.refuse_if_given(FOR_TABLES, '--data_dir has its splits')
  flag_group.refuse_without_effect(LabelledOptions)
  options = flag_group.read(LabelledOptions)
  options.check()
  return labelled.read(options)


if __name__ == '__main__':
  define_flags()
  script.run(main)
