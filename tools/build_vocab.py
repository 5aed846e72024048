r"""Learns a WordPiece vocabulary of an exact size from text.

  python -m tools.build_vocab --input_file='wiki-*.txt.gz' \
    --output_file=vocab.txt --vocab_size=30522

For pre-training on another language or domain. The tool counts words as the
tokenizer splits them: with the same cleaning, lower-casing and splitting, in
bounded memory (`data/text/word_counts.py`). Then sentencepiece learns the
wordpieces (`data/text/wordpiece_learner.py`). It takes seconds, and meets the
size exactly. tensorflow-text's learner takes minutes, misses the size and
splits words more finely. Hugging Face's tokenizers library is no better, does
not accept counts and learns different tokens each time.

The same text and flags give the same bytes. `tools.check_vocab` shows how a
text is tokenised with a vocabulary.
"""

import collections
import time

from absl import flags, logging

from cli import corpus_flags, flag_group, script
from data.text import wordpiece_learner
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.word_counts import Counts, WordCounter, count_words
from data.text.wordpiece_learner import LearnerOptions
from system import files

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flag_group.define(CorpusOptions)
  flags.DEFINE_string('output_file', None, 'The vocabulary to write.')
  flags.DEFINE_bool('do_lower_case', True, 'Lower-case, strip accents.')
  flag_group.define(LearnerOptions)


def main(_: list[str]) -> None:
  """Reads the text, then learns and writes the vocabulary."""
  flag_group.require('input_file', 'output_file')
  corpus_flags.check()
  build(
    corpus_flags.corpus(),
    FLAGS.output_file,
    FLAGS.do_lower_case,
    flag_group.read(LearnerOptions),
  )


def build(
  corpus: Corpus,
  output_file: str,
  do_lower_case: bool,
  options: LearnerOptions,
  num_workers: int | None = None,
) -> list[str]:
  """Learns a vocabulary and writes it.

  Args:
    corpus: the text.
    output_file: the file to write, one token per line.
    do_lower_case: the setting of the tokenizer that will use the vocabulary.
    options: the size and the alphabet of the vocabulary.
    num_workers: number of threads; None for one per core. The tokens do not
      depend on it.

  Returns:
    The tokens.

  Raises:
    UserError: there is no text, the size does not fit the text, or a file
      cannot be read or written. An earlier output file stays unchanged.
  """
  files.check_output_file(output_file, corpus.paths)
  letters = collections.Counter()

  def add_letters(counts: Counts) -> None:
    letters.update(wordpiece_learner.count_letters(counts))

  counter = WordCounter(add_letters)
  count_words(corpus, do_lower_case, counter, num_workers)
  add_letters(counter.counts)
  logging.info('learning from %s words', f'{len(counter.counts):,}')
  start = time.monotonic()
  tokens = wordpiece_learner.learn(counter.counts, letters, options)
  files.write_text(output_file, ''.join(f'{token}\n' for token in tokens))
  logging.info(
    'wrote %s: %s; learned in %.1f s',
    *(output_file, _summary(tokens, counter.counts, options)),
    time.monotonic() - start,
  )
  return tokens


def _summary(tokens: list[str], counts: Counts, options: LearnerOptions) -> str:
  """Describes the vocabulary and the share of words that are one token."""
  vocabulary = set(tokens)
  num_whole = sum(
    n for word, n in counts.items() if word.decode() in vocabulary
  )
  characters = {t for t in tokens if len(t.removeprefix('##')) == 1}
  return (
    f'{len(tokens):,} tokens, {len(options.special_tokens):,} of them special '
    f'and {len(characters):,} of one character; '
    f'{100 * num_whole / sum(counts.values()):.1f} % of the words are one token'
  )


if __name__ == '__main__':
  define_flags()
  script.run(main)
