r"""Learns a WordPiece vocabulary from text, of exactly the size asked for.

  python -m tools.build_vocab --input_file='wiki-*.txt.gz' \
    --output_file=vocab.txt --vocab_size=30522

The words are those of the tokenizer that will use the vocabulary: counted once
with its own cleaning, lower-casing and splitting, however large the text, in
bounded memory (`data/text/word_counts.py`). sentencepiece learns the pieces
(`tools/wordpiece_learner.py`). Why: from 20 MB of Wikipedia it takes 1 s and
meets the size, tensorflow-text's learner 200 to 800 s and misses it by 4 to 9 %
(and cuts finer); Hugging Face's tokenizers is no better, does not take counts,
and gives other tokens each time.

The same text and flags give the same bytes. `tools.check_vocab` shows how a
text is tokenised under a vocabulary.
"""

import collections
import os
import time
from collections.abc import Collection

from absl import flags, logging

from cli import corpus_flags, flag_group, script
from data.text.corpus import Corpus
from data.text.word_counts import Counts, WordCounter, count_words
from system import files
from system.errors import UserError
from tools import wordpiece_learner
from tools.wordpiece_learner import VocabularyOptions

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  corpus_flags.define()
  flags.adopt_module_key_flags(corpus_flags)
  flags.DEFINE_string('output_file', None, 'Gets a token a line.')
  flags.DEFINE_bool('do_lower_case', True, 'Lower-case and strip accents.')
  flags.DEFINE_integer(
    'vocab_size', 30_522, 'How many tokens, special ones included.', 6
  )
  flags.DEFINE_integer(
    'num_unused_tokens',
    0,
    'Tokens [unused0], [unused1], ... after [PAD], to be given a meaning '
    'later; the released vocabularies have 99 there.',
    lower_bound=0,
  )
  flags.DEFINE_integer(
    'min_character_count',
    None,
    'Characters seen less often get no token, and words with them become '
    '[UNK]. If not given, 2, or one in 40 million characters of the text where '
    'that is more.',
    lower_bound=1,
  )
  flags.DEFINE_integer(
    'max_characters',
    None,
    'At most so many characters get tokens, the most frequent ones; no limit '
    'if not given. Chinese text has thousands that are rare.',
    lower_bound=1,
  )


def main(_: list[str]) -> None:
  """Reads the text, learns and writes the vocabulary."""
  flag_group.require('input_file', 'output_file')
  corpus_flags.check()
  flag_group.refuse_if_given(['language'], 'sentences are not split')
  options = VocabularyOptions(
    FLAGS.vocab_size,
    FLAGS.num_unused_tokens,
    FLAGS.min_character_count,
    FLAGS.max_characters,
  )
  build(corpus_flags.corpus(), FLAGS.output_file, FLAGS.do_lower_case, options)


def build(
  corpus: Corpus,
  output_file: str,
  do_lower_case: bool,
  options: VocabularyOptions,
  num_workers: int | None = None,
) -> list[str]:
  """Learns a vocabulary and writes it.

  Args:
    corpus: the text.
    output_file: gets a token a line.
    do_lower_case: as for the tokenizer that will use the vocabulary.
    options: what the vocabulary is to be.
    num_workers: threads to use; one a core if not given. The tokens are the
      same.

  Returns:
    The tokens.

  Raises:
    UserError: there is no text, the size does not fit it, or a file cannot be
      read or written. What stood in the output file stays.
  """
  _check_output(output_file, corpus.paths)
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


def _check_output(output_file: str, inputs: Collection[str]) -> None:
  """Checks that the output can be written, before the text is read."""
  if files.is_folder(output_file):
    raise UserError(f'--output_file: {output_file!r} is a folder, not a file')
  if files.real_path(output_file) in map(files.real_path, inputs):
    raise UserError(f'--output_file: {output_file!r} is an input file, too')
  files.make_folder(os.path.dirname(output_file) or '.')


def _summary(
  tokens: list[str], counts: Counts, options: VocabularyOptions
) -> str:
  """Returns what the vocabulary holds, and how many words are in it whole."""
  known = set(tokens)
  whole = sum(n for word, n in counts.items() if word.decode() in known)
  characters = {t for t in tokens if len(t.removeprefix('##')) == 1}
  return (
    f'{len(tokens):,} tokens, {len(options.special_tokens):,} of them special '
    f'and {len(characters):,} of one character; '
    f'{100 * whole / sum(counts.values()):.1f} % of the words are one token'
  )


if __name__ == '__main__':
  define_flags()
  script.run(main)
