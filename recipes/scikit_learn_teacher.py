r"""A teacher from scikit-learn: fits it on SST-2, and writes its scores.

  python -m recipes.scikit_learn_teacher --data_dir=glue/SST-2 \
    --text_file=transfer.txt --scores_file=scores.csv --dev_scores_file=dev.csv

A logistic regression on the TF-IDF weights of words and pairs of words. The
files are what `run_distillation.py --do_import_logits` reads: a column with the
text and one with the probability of each label. Nothing here depends on BERT.

Tested by `tests/recipes/scikit_learn_teacher_test.py`.
"""

import csv
from collections.abc import Sequence
from typing import Any

from absl import flags, logging

from cli import flag_group, script
from data.tasks import glue
from system import files, text_files

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('data_dir', None, 'The folder of SST-2.')
  flags.DEFINE_string('text_file', None, 'The texts to score, one per line.')
  flags.DEFINE_string('scores_file', None, 'The CSV file to write for them.')
  flags.DEFINE_string(
    'dev_scores_file', None, 'The CSV file to write for the dev split.'
  )


def fit(texts: Sequence[str], labels: Sequence[str]) -> Any:
  """Returns the teacher, fitted on texts and their labels."""
  from sklearn.feature_extraction.text import TfidfVectorizer
  from sklearn.linear_model import LogisticRegression
  from sklearn.pipeline import make_pipeline

  model = make_pipeline(
    # SST-2's text is split into words already; "'s" and "!" are words, too.
    TfidfVectorizer(
      token_pattern=r"[\w'-]+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True
    ),
    LogisticRegression(C=10, max_iter=1000),
  )
  return model.fit(texts, labels)


def write_scores(model: Any, texts: Sequence[str], path: str) -> None:
  """Writes a teacher's probabilities of some texts.

  Args:
    model: a classifier of scikit-learn that takes texts.
    texts: the texts.
    path: the CSV file.
  """
  with files.open_write(path) as file:
    writer = csv.writer(file)
    writer.writerow(
      ['sentence', *(f'probability_{label}' for label in model.classes_)]
    )
    rows = model.predict_proba(texts).tolist()
    writer.writerows(
      [text, *row] for text, row in zip(texts, rows, strict=True)
    )


def main(_: list[str]) -> None:
  """Fits the teacher and writes its scores."""
  flag_group.require('data_dir', 'text_file', 'scores_file', 'dev_scores_file')
  task = glue.get_task('SST-2')
  train = task.read_split(FLAGS.data_dir, 'train')
  dev = task.read_split(FLAGS.data_dir, 'dev')
  texts = [*text_files.read_lines(FLAGS.text_file)]
  model = fit([e.text_a for e in train], [e.label for e in train])
  accuracy = model.score([e.text_a for e in dev], [e.label for e in dev])
  logging.info('The accuracy on dev is %.4f', accuracy)
  write_scores(model, texts, FLAGS.scores_file)
  write_scores(model, [e.text_a for e in dev], FLAGS.dev_scores_file)


if __name__ == '__main__':
  define_flags()
  script.run(main)
