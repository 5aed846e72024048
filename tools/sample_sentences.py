r"""Samples sentences from running text to make a transfer set.

  python -m tools.sample_sentences --input_file='reviews-*.txt.gz' \
    --output_file=transfer.txt --num_sentences=100000
  python -m tools.sample_sentences --input_file=reviews.csv \
    --text_column=review --output_file=transfer.txt --all_sentences

For distilling on unlabelled text of the task's domain. The input has one
document per line, plain or compressed, or is a table (.tsv, .csv, .jsonl,
.parquet) with the documents in --text_column, by default 'sentence' or 'text'.
Documents may contain HTML line breaks. Sentences of fewer than --min_words or
more than --max_words words are left out; a word is what white space separates.
Each other distinct sentence is equally likely to be sampled and occurs at most
once. The same text and seed give the same sample. --all_sentences takes each of
them once, in random order.
"""

import collections
import random
import re
from collections.abc import Callable, Iterable, Iterator

from absl import flags, logging

from cli import flag_group, script
from data.text import languages
from system import files
from system.errors import UserError
from tools import documents, english_sentences

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
  flags.DEFINE_bool(
    'all_sentences',
    False,
    'Whether to take all distinct sentences of --min_words to --max_words.',
  )
  flags.DEFINE_string(
    'text_column',
    None,
    'The column of the documents, if the input is a table. The default is '
    "'sentence' or, if there is none, 'text'.",
  )
  flags.DEFINE_string(
    'language',
    'en',
    "The language of the text, such as 'en' or 'pt-br', which decides where "
    'sentences end; docs/pretraining.md lists the codes.',
  )
  flags.DEFINE_integer(
    'min_words', 3, 'Words in the shortest sentence.', lower_bound=1
  )
  flags.DEFINE_integer('max_words', 60, 'Words in the longest sentence.')
  flags.DEFINE_integer('seed', 12345, 'Seed of the sample.')


def splitter(language: str) -> Callable[[str], list[str]]:
  """Returns the function that splits a paragraph into its sentences.

  Raises:
    UserError: the language is unknown.
  """
  code = languages.resolve(language)
  if code == 'en':
    # The logits in recipes/results/paper belong to these very sentences, so
    # English keeps the rules that made them.
    return lambda text: english_sentences.split(_LOST_SPACE.sub(' ', text))
  from data.text import sentences

  return lambda text: sentences.split(text, code)


def document_sentences(
  document: str, split: Callable[[str], list[str]]
) -> list[str]:
  """Splits one document: its line breaks and `split` end sentences."""
  return [
    sentence
    for paragraph in _BREAK.split(document)
    for sentence in split(' '.join(paragraph.split()))
    if sentence
  ]


def of_length(
  sentences: Iterable[str],
  min_words: int,
  max_words: int,
  left_out: collections.Counter,
) -> Iterator[str]:
  """Yields the sentences of so many words.

  Args:
    sentences: any sentences.
    min_words: words in the shortest one, at least 1.
    max_words: words in the longest one.
    left_out: counts the sentences that are too 'short' and too 'long'.
  """
  for sentence in sentences:
    num_words = len(sentence.split())
    if num_words < min_words:
      left_out['short'] += 1
    elif num_words > max_words:
      left_out['long'] += 1
    else:
      yield sentence


def sample(
  sentences: Iterable[str],
  num_sentences: int | None,
  seed: int,
  left_out: collections.Counter,
) -> list[str]:
  """Draws distinct sentences.

  Args:
    sentences: from `of_length`.
    num_sentences: how many to draw; None for all.
    seed: of the draw.
    left_out: the counts of `of_length`, for messages.

  Returns:
    The sentences in random order.

  Raises:
    UserError: there are fewer, or none.
  """
  distinct = list(dict.fromkeys(sentences))
  if not distinct:
    raise UserError(
      'the text holds no sentence of --min_words to --max_words; left out: '
      f'{_counts(left_out)}. White space separates words: for a language '
      'without it, give --min_words=1'
    )
  if num_sentences is None:
    num_sentences = len(distinct)
  if len(distinct) < num_sentences:
    raise UserError(
      f'--num_sentences={num_sentences}, but the text holds {len(distinct)} '
      f'different sentences; left out: {_counts(left_out)}'
    )
  return random.Random(seed).sample(distinct, num_sentences)


def _counts(left_out: collections.Counter) -> str:
  return f'{left_out["short"]} too short, {left_out["long"]} too long'


def main(_: list[str]) -> None:
  """Reads all sentences and writes a sample."""
  flag_group.require('input_file', 'output_file')
  if FLAGS.all_sentences and FLAGS['num_sentences'].present:
    raise UserError('--all_sentences and --num_sentences exclude each other')
  if FLAGS.min_words > FLAGS.max_words:
    raise UserError(
      f'--min_words={FLAGS.min_words} is more than '
      f'--max_words={FLAGS.max_words}'
    )
  split = splitter(FLAGS.language)
  paths = files.expand(FLAGS.input_file)
  files.check_output_file(FLAGS.output_file, paths)
  sentences = (
    sentence
    for path in paths
    for document in documents.read(path, FLAGS.text_column)
    for sentence in document_sentences(document, split)
  )
  left_out = collections.Counter()
  kept = of_length(sentences, FLAGS.min_words, FLAGS.max_words, left_out)
  number = None if FLAGS.all_sentences else FLAGS.num_sentences
  sampled = sample(kept, number, FLAGS.seed, left_out)
  files.write_text(FLAGS.output_file, ''.join(s + '\n' for s in sampled))
  logging.info('%d sentences; left out: %s', len(sampled), _counts(left_out))


if __name__ == '__main__':
  define_flags()
  script.run(main)
