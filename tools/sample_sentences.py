r"""Samples sentences from running text to make a transfer set.

  python -m tools.sample_sentences --input_file='reviews-*.txt.gz' \
    --output_file=transfer.txt --num_sentences=100000

For distilling on unlabelled text of the task's domain. The input has one
document per line, plain or compressed, and may contain HTML line breaks. Each
distinct sentence is equally likely to be sampled and occurs at most once. The
same text and seed give the same sample.
"""

import random
import re
from collections.abc import Iterable

from absl import flags, logging

from cli import flag_group, script
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
    'input_file', None, 'Text files: globs, separated by commas.'
  )
  flags.DEFINE_string(
    'output_file', None, 'The file to write, one sentence per line.'
  )
  flags.DEFINE_integer(
    'num_sentences', 100_000, 'Number of sentences to sample.', lower_bound=1
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
  sentences: Iterable[str], num_sentences: int, seed: int
) -> list[str]:
  """Returns `num_sentences` distinct sentences in random order.

  Raises:
    UserError: there are fewer.
  """
  distinct = list(dict.fromkeys(sentences))
  if len(distinct) < num_sentences:
    raise UserError(
      f'--num_sentences={num_sentences}, but the text holds {len(distinct)} '
      'different sentences'
    )
  return random.Random(seed).sample(distinct, num_sentences)


def main(_: list[str]) -> None:
  """Reads all sentences and writes a sample."""
  flag_group.require('input_file', 'output_file')
  sentences = (
    sentence
    for path in files.expand(FLAGS.input_file)
    for line in text_files.read_lines(path)
    for sentence in document_sentences(line, FLAGS.min_words, FLAGS.max_words)
  )
  sampled = sample(sentences, FLAGS.num_sentences, FLAGS.seed)
  files.write_text(FLAGS.output_file, ''.join(s + '\n' for s in sampled))
  logging.info('%d sentences', len(sampled))


if __name__ == '__main__':
  define_flags()
  script.run(main)
