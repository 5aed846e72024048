"""Samples sentences from running text, for a transfer set.

The text has a document a line, plain or gzip, HTML line breaks included. A
sentence is taken with the same probability wherever it stands; the sample is a
function of the text and the seed, and holds each sentence once.
"""

import random
import re
from collections.abc import Iterable

from absl import flags, logging

from cli import flag_group, script
from system.errors import UserError
from tools.docstring_prose import split_sentences

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_file', None, 'Text files: globs, separated by commas.'
  )
  flags.DEFINE_string('output_file', None, 'Gets a sentence a line.')
  flags.DEFINE_integer(
    'num_sentences', 100_000, 'How many to take.', lower_bound=1
  )
  flags.DEFINE_integer('min_words', 3, 'The shortest sentence, in words.')
  flags.DEFINE_integer('max_words', 60, 'The longest sentence, in words.')
  flags.DEFINE_integer('seed', 12345, 'Another seed takes other sentences.')


_BREAK = re.compile(r'<br\s*/?>')
# Where the source lost a line break: 'too.It'.
_LOST_SPACE = re.compile(r'(?<=[a-z)"][.!?])(?=[A-Z"(])')


def sentences_of(document: str, min_words: int, max_words: int) -> list[str]:
  """Splits one document; leaves out what is too short or too long."""
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
  """Takes so many different sentences, in a shuffled order.

  Raises:
    UserError: there are not so many.
  """
  found = list(dict.fromkeys(sentences))
  if len(found) < num_sentences:
    raise UserError(
      f'--num_sentences={num_sentences}, but the text holds {len(found)} '
      'different sentences'
    )
  return random.Random(seed).sample(found, num_sentences)


def main(_: list[str]) -> None:
  """Reads all sentences, samples and writes them."""
  flag_group.require('input_file', 'output_file')
  from system import files, text_files

  sentences = (
    sentence
    for path in files.expand(FLAGS.input_file)
    for line in text_files.read_lines(path)
    for sentence in sentences_of(line, FLAGS.min_words, FLAGS.max_words)
  )
  taken = sample(sentences, FLAGS.num_sentences, FLAGS.seed)
  files.write_text(FLAGS.output_file, ''.join(s + '\n' for s in taken))
  logging.info('%d sentences', len(taken))


if __name__ == '__main__':
  define_flags()
  script.run(main)
