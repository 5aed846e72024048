r"""Measures how well a vocabulary fits a text.

  python -m tools.check_vocab --input_file=heldout.txt --vocab_file=vocab.txt

For choosing a vocabulary. The tool tokenises the text and prints the share of
[UNK], the number of wordpieces per word, the share of the vocabulary that is
used, and examples. `data/text/vocabulary_fit.py` measures them.
"""

from collections.abc import Mapping
from typing import Any

from absl import flags

from cli import corpus_flags, flag_group, script
from data.text.corpus_options import CorpusOptions
from data.text.vocabulary_options import TokenizerOptions
from system import files

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flag_group.define(CorpusOptions, TokenizerOptions)
  flags.DEFINE_string(
    'output_file', None, 'The JSON file to write; by default only printed.'
  )


def main(_: list[str]) -> None:
  """Reads the text and prints the result."""
  flag_group.require('input_file', 'vocab_file')
  corpus_flags.check()
  corpus = corpus_flags.corpus()
  if FLAGS.output_file:
    inputs = [*corpus.paths, FLAGS.vocab_file]
    files.check_output_file(FLAGS.output_file, inputs)
  from data.text.tokenization import BertTokenizer
  from data.text.vocabulary_fit import check

  tokenizer = BertTokenizer(FLAGS.vocab_file, FLAGS.do_lower_case)
  result = check(corpus, tokenizer)
  if FLAGS.output_file:
    files.write_json(FLAGS.output_file, result)
  script.show([render(result)])


def render(result: Mapping[str, Any]) -> str:
  """Formats the result of `check` as readable text."""
  rows = {
    'words': f'{result["words"]:,}',
    'wordpieces': f'{result["wordpieces"]:,}',
    'wordpieces per word': f'{result["wordpieces_per_word"]:.4f}',
    'characters per wordpiece': f'{result["characters_per_wordpiece"]:.2f}',
    'one-piece words': f'{100 * result["one_piece_word_share"]:.2f} %',
    'unknown words': f'{100 * result["unknown_word_share"]:.4f} %',
    'unknown wordpieces': f'{100 * result["unknown_wordpiece_share"]:.4f} %',
    'tokens used': (
      f'{100 * result["used_token_share"]:.1f} % '
      f'({result["used_tokens"]:,} of {result["vocab_size"]:,})'
    ),
  }
  lines = [f'{name:26}{value}' for name, value in rows.items()]
  lines += ['', 'most frequent unknown words']
  for item in result['most_frequent_unknown_words']:
    lines.append(f'  {item["count"]:>9,}  {item["word"]}')
  lines += ['', 'most split words']
  for item in result['most_split_words']:
    pieces = ' '.join(item['wordpieces'])
    lines.append(f'  {item["count"]:>9,}  {item["word"]}: {pieces}')
  lines += [
    '',
    'longest tokens used',
    f'  {" ".join(result["longest_tokens"])}',
  ]
  return '\n'.join(lines)


if __name__ == '__main__':
  define_flags()
  script.run(main)
