r"""Samples sentences from running text to make a transfer set.

  python -m tools.sample_sentences --input_file='reviews-*.txt.gz' \
    --output_file=transfer.txt --num_sentences=100000
  python -m tools.sample_sentences --input_file=reviews.csv \
    --text_column=review --output_file=transfer.txt --all_sentences

For distilling on unlabelled text of the task's domain. The input has one
document per line, plain or compressed, or is a table (.tsv, .csv, .jsonl,
.parquet) with the documents in --text_column, by default 'sentence' or 'text'.
Documents may contain HTML line breaks. Each distinct sentence is equally likely
to be sampled and occurs at most once. The same text and seed give the same
sample. --all_sentences takes all of them, in random order.
"""

import random
import re
from collections.abc import Iterable, Iterator

from absl import flags, logging

from cli import flag_group, script
from data.tasks import tables
from data.tasks.table_rows import Columns
from system import files, text_files
from system.errors import UserError
from tools.docstring_prose import split_sentences

FLAGS = flags.FLAGS

_BREAK = re.compile(r'<br\s*/?>')
# The place of a lost line break: 'too.It'.
_LOST_SPACE = re.compile(r'(?<=[a-z)"][.!?])(?=[A-Z"(])')


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_file', None, 'Text files or tables: globs, separated by commas.'
  )
  flags.DEFINE_string(
    'output_file', None, 'The file to write, one sentence per line.'
  )
  flags.DEFINE_integer(
    'num_sentences', 100_000, 'Number of sentences to sample.', lower_bound=1
  )
  flags.DEFINE_bool('all_sentences', False, 'Whether to take all sentences.')
  flags.DEFINE_string(
    'text_column',
    None,
    'The column of the documents, if the input is a table. The default is '
    "'sentence' or, if there is none, 'text'.",
  )
  flags.DEFINE_integer('min_words', 3, 'Words in the shortest sentence.')
  flags.DEFINE_integer('max_words', 60, 'Words in the longest sentence.')
  flags.DEFINE_integer('seed', 12345, 'Seed of the sample.')


def document_sentences(
  document: str, min_words: int, max_words: int
) -> list[str]:
  """Splits one document and drops sentences that are too short or too long."""
  sentences = []
  for paragraph in _BREAK.split(document):
    text = _LOST_SPACE.sub(' ', ' '.join(paragraph.split()))
    for sentence in split_sentences(text):
      if min_words <= len(sentence.split()) <= max_words:
        sentences.append(sentence)
  return sentences


def sample(
  sentences: Iterable[str], num_sentences: int | None, seed: int
) -> list[str]:
  """Returns distinct sentences in random order: so many, or None for all.

  Raises:
    UserError: there are fewer.
  """
  distinct = list(dict.fromkeys(sentences))
  if num_sentences is None:
    num_sentences = len(distinct)
  if len(distinct) < num_sentences:
    raise UserError(
      f'--num_sentences={num_sentences}, but the text holds {len(distinct)} '
      'different sentences'
    )
  return random.Random(seed).sample(distinct, num_sentences)


def read_documents(path: str, text_column: str | None) -> Iterator[str]:
  """Yields the documents of a file: its lines, or a column of a table.

  Raises:
    UserError: the file is malformed, or no table but a column is given.
  """
  if text_column is None and not tables.is_table(path):
    yield from text_files.read_lines(path)
    return
  from data.tasks import text_rows

  name = text_column or Columns().found_in(path).text
  columns = text_rows.TextColumns((name,), are_given=True)
  is_table, rows = text_rows.open_file(path, columns)
  if not is_table:
    raise UserError(
      f'--text_column={text_column} cannot take effect: {path} is no table'
    )
  yield from (row.texts[0] for row in rows)


def main(_: list[str]) -> None:
  """Reads all sentences and writes a sample."""
  flag_group.require('input_file', 'output_file')
  if FLAGS.all_sentences and FLAGS['num_sentences'].present:
    raise UserError('--all_sentences and --num_sentences exclude each other')
  sentences = (
    sentence
    for path in files.expand(FLAGS.input_file)
    for document in read_documents(path, FLAGS.text_column)
    for sentence in document_sentences(
      document, FLAGS.min_words, FLAGS.max_words
    )
  )
  number = None if FLAGS.all_sentences else FLAGS.num_sentences
  sampled = sample(sentences, number, FLAGS.seed)
  files.write_text(FLAGS.output_file, ''.join(s + '\n' for s in sampled))
  logging.info('%d sentences', len(sampled))


if __name__ == '__main__':
  define_flags()
  script.run(main)
