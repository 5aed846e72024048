"""Learns a WordPiece vocabulary from text, with tensorflow-text's learner.

Special tokens come first, as in BERT. The same text and flags give the same
vocabulary.
"""

from collections.abc import Iterable

from absl import flags, logging

from cli import script
from data.errors import UserError

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'input_file', None, 'Text files, plain or gzip: globs, separated by commas.'
  )
  flags.DEFINE_string('output_file', None, 'Gets a token a line.')
  flags.DEFINE_integer(
    'vocab_size', 30_000, 'The size that is aimed at.', lower_bound=100
  )
  flags.DEFINE_bool('do_lower_case', True, 'Lower-case and strip accents.')


_SPECIAL_TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']


def main(_: list[str]) -> None:
  """Reads the text, learns and writes the vocabulary."""
  script.require('input_file', 'output_file')
  from data import files, text_files

  paths = files.expand(FLAGS.input_file)
  tokens = learn(
    (line for path in paths for line in text_files.read_lines(path)),
    FLAGS.vocab_size,
    FLAGS.do_lower_case,
  )
  files.write_text(FLAGS.output_file, ''.join(f'{t}\n' for t in tokens))
  logging.info('%d tokens', len(tokens))


def learn(
  lines: Iterable[str], vocab_size: int, do_lower_case: bool
) -> list[str]:
  """Learns a vocabulary.

  Args:
    lines: the text.
    vocab_size: the size aimed at; the learner ends up to 5 % below it.
    do_lower_case: as for the tokenizer that will use the vocabulary.

  Returns:
    Tokens, the special ones first.

  Raises:
    UserError: there is no text.
  """
  import tensorflow as tf
  from tensorflow_text.tools.wordpiece_vocab import bert_vocab_from_dataset

  lines = [line for line in lines if line.strip()]
  if not lines:
    raise UserError('there is no text to learn a vocabulary from')
  return bert_vocab_from_dataset.bert_vocab_from_dataset(
    tf.data.Dataset.from_tensor_slices(lines).batch(1000),
    vocab_size,
    _SPECIAL_TOKENS,
    bert_tokenizer_params={'lower_case': do_lower_case},
    learn_params={},
  )


if __name__ == '__main__':
  define_flags()
  script.run(main)
