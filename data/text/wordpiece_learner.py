"""Learns a WordPiece vocabulary from word counts with sentencepiece.

sentencepiece's BPE trainer repeatedly merges the most frequent pair of adjacent
pieces. WordPiece distinguishes a word's first piece from the others; BPE does
not. So each character is encoded as one of two symbols, depending on whether it
begins a word ('a') or continues one ('##a').
"""

import collections
import dataclasses
import heapq
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import sentencepiece

from data.text.vocabulary import CONTINUATION, MAX_CHARS_PER_WORD, SPECIAL
from system.errors import UserError
from system.settings import setting

# Forty times as many as in the largest published vocabularies; their embeddings
# of 768 numbers take 31 GB.
_MAX_TOKENS = 10_000_000
# Rarer characters of a long text get no token: one in 40 million.
_MIN_CHARACTER_SHARE = 2.5e-8
# The trainer gets only the most frequent words, which take 350 MB. The counts
# of rarer words don't matter.
_MAX_WORDS = 1 << 19
# The code point of the alphabet's first symbol. Some characters below it, such
# as '▁', have a special meaning to sentencepiece.
_FIRST_SYMBOL = 0x20000


@dataclasses.dataclass(frozen=True)
class LearnerOptions:
  """The size and the alphabet of a vocabulary."""

  vocab_size: int = setting(
    30_522,
    'Number of tokens, special ones included.',
    at_least=6,
    at_most=_MAX_TOKENS,
  )
  num_unused_tokens: int = setting(
    0,
    'Number of tokens [unused0], [unused1], ... after [PAD], reserved for '
    'later use; the released vocabularies have 99.',
    at_least=0,
    at_most=_MAX_TOKENS,
  )
  min_character_count: int | None = setting(
    None,
    'Rarer characters get no token, and words with them become [UNK]. Default: '
    '2, or one in 40 million characters of the text if that is more.',
    at_least=1,
  )
  max_characters: int | None = setting(
    None,
    'Only this many characters get tokens, the most frequent ones. Default: no '
    'limit. Chinese text has thousands of rare characters.',
    at_least=1,
  )

  @property
  def special_tokens(self) -> list[str]:
    """The first tokens, in the order of the released vocabularies."""
    unused = [f'[unused{i}]' for i in range(self.num_unused_tokens)]
    pad, *others = SPECIAL
    return [pad, *unused, *others]


def count_letters(counts: Mapping[bytes, int]) -> collections.Counter[str]:
  """Counts how often each character begins a word and continues a word.

  Args:
    counts: UTF-8 word → count.

  Returns:
    One-character piece ('a' or '##a') → count.
  """
  groups = collections.defaultdict(list)
  for word, count in counts.items():
    groups[count].append(word.decode())
  letters = collections.Counter()
  for count, words in groups.items():
    words = [word for word in words if len(word) <= MAX_CHARS_PER_WORD]
    first = collections.Counter(word[0] for word in words)
    other = collections.Counter(''.join(word[1:] for word in words))
    for letter, number in first.items():
      letters[letter] += count * number
    for letter, number in other.items():
      letters[CONTINUATION + letter] += count * number
  return letters


def learn(
  counts: Mapping[bytes, int],
  letters: Mapping[str, int],
  options: LearnerOptions,
) -> list[str]:
  """Learns a vocabulary.

  Args:
    counts: word, UTF-8, as the tokenizer splits them → count.
    letters: the result of `count_letters` for these words and for rarer ones
      that `counts` leaves out.
    options: the size and the alphabet.

  Returns:
    Exactly `vocab_size` tokens: special tokens, then one-character pieces by
    code point, then longer pieces, the most frequent ones first.

  Raises:
    UserError: `vocab_size` is too small for the alphabet or larger than the
      text can fill.
  """
  tokens = options.special_tokens + _alphabet(letters, options)
  num_pieces = options.vocab_size - len(tokens)
  if num_pieces < 0:
    raise UserError(
      f'`vocab_size`={options.vocab_size} is too small: the special tokens and '
      f'the characters of the text need {len(tokens)} tokens; set at least '
      'that, or allow fewer characters (`max_characters`, '
      '`min_character_count`)'
    )
  alphabet = tokens[len(options.special_tokens) :]
  tokens += _learn_pieces(_encodable(counts, alphabet), alphabet, num_pieces)
  if len(tokens) < options.vocab_size:
    raise UserError(
      f'`vocab_size`={options.vocab_size} is more than the text can fill: with '
      f'{len(tokens)} tokens each word is one token, except words with rare '
      'characters (`min_character_count`); set at most that, or add text'
    )
  return tokens


def _alphabet(letters: Mapping[str, int], options: LearnerOptions) -> list[str]:
  """Returns the one-character pieces, those that begin words first."""
  characters = collections.Counter()
  for letter, count in letters.items():
    characters[letter[-1]] += count
  min_count = options.min_character_count
  if min_count is None:
    min_count = max(2, _MIN_CHARACTER_SHARE * characters.total())
  ranked = sorted(characters, key=lambda c: (-characters[c], c))
  ranked = ranked[: options.max_characters]
  frequent = {c for c in ranked if characters[c] >= min_count}
  return sorted(
    (letter for letter in letters if letter[-1] in frequent),
    key=lambda letter: (len(letter), letter),
  )


def _encodable(
  counts: Mapping[bytes, int], alphabet: Sequence[str]
) -> list[tuple[str, int]]:
  """Returns the words that the alphabet can spell, with their counts.

  The most frequent words come first; there are at most `_MAX_WORDS`.
  """
  characters = {letter[-1] for letter in alphabet}
  words = ((word.decode(), count) for word, count in counts.items())
  return heapq.nsmallest(
    _MAX_WORDS,
    (
      (word, count)
      for word, count in words
      if len(word) <= MAX_CHARS_PER_WORD and characters.issuperset(word)
    ),
    key=lambda item: (-item[1], item[0]),
  )


def _learn_pieces(
  words: Sequence[tuple[str, int]], alphabet: Sequence[str], num_pieces: int
) -> Iterable[str]:
  """Learns pieces of several characters.

  Args:
    words: words and their counts.
    alphabet: the one-character pieces.
    num_pieces: number of pieces to learn; fewer if the text has no more.
  """
  if not num_pieces or all(len(word) == 1 for word, _ in words):
    return []
  symbols = {a: chr(_FIRST_SYMBOL + i) for i, a in enumerate(alphabet)}
  continuations = {
    ord(letter[-1]): symbol
    for letter, symbol in symbols.items()
    if len(letter) > 1
  }
  encoded = [
    (symbols[word[0]] + word[1:].translate(continuations), count)
    for word, count in words
  ]
  num_symbols = len(set().union(*(word for word, _ in encoded)))
  pieces = (p for p in _train(encoded, num_symbols + num_pieces) if len(p) > 1)
  # The trainer may return more pieces: it computes the coverage of 1.0 in
  # float32, so the rarest symbols, one in ten million, get no piece.
  useful = itertools.islice(_until_whole(pieces, encoded), num_pieces)
  letters = {symbol: letter for letter, symbol in symbols.items()}
  return [_decode(piece, letters) for piece in useful]


def _until_whole(
  pieces: Iterable[str], words: Iterable[tuple[str, int]]
) -> Iterator[str]:
  """Yields pieces until each word is a piece; later ones occur in no word."""
  split = {word for word, _ in words if len(word) > 1}
  for piece in pieces:
    yield piece
    split.discard(piece)
    if not split:
      return


def _train(words: Iterable[tuple[str, int]], num_pieces: int) -> Iterator[str]:
  """Yields the pieces that sentencepiece learns, in its order."""
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=(f'{word}\t{count}' for word, count in words),
    input_format='tsv',
    model_writer=model,
    model_type='bpe',
    vocab_size=num_pieces + 1,  # One more for the unknown piece.
    hard_vocab_limit=False,
    character_coverage=1.0,
    max_sentencepiece_length=MAX_CHARS_PER_WORD,
    normalization_rule_name='identity',
    # Leave the words unchanged.
    add_dummy_prefix=False,
    remove_extra_whitespaces=False,
    split_by_whitespace=False,
    split_by_unicode_script=False,
    split_by_number=False,
    unk_id=0,
    bos_id=-1,
    eos_id=-1,
    pad_id=-1,
    minloglevel=2,
  )
  learned = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
  return map(learned.id_to_piece, range(1, learned.get_piece_size()))


def _decode(piece: str, letters: Mapping[str, str]) -> str:
  """Returns a piece of symbols as a WordPiece token."""
  first, *rest = (letters[symbol] for symbol in piece)
  return first + ''.join(letter[-1] for letter in rest)
