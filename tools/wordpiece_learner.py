"""Learns a WordPiece vocabulary from counted words, with sentencepiece.

Its BPE trainer joins, again and again, the two neighbouring pieces that stand
together most often. WordPiece tells a word's first piece from the others, BPE
does not: so each character is given to it as one of two symbols, one for where
it begins a word ('a') and one for where it continues one ('##a').
"""

import collections
import dataclasses
import heapq
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from system.errors import UserError

SPECIAL_TOKENS = ('[UNK]', '[CLS]', '[SEP]', '[MASK]')
_CONTINUATION = '##'
# Longer words are [UNK] to the tokenizer, whatever the vocabulary.
_MAX_CHARACTERS_PER_WORD = 200
# Of a long text, rarer characters are left out: one in 40 million.
_MIN_CHARACTER_SHARE = 2.5e-8
# The most frequent words; rarer ones weigh nothing. 350 MB.
_MAX_WORDS = 1 << 19
# The alphabet's symbols for sentencepiece; it gives characters below this one,
# such as '▁', a meaning.
_FIRST_SYMBOL = 0x20000


@dataclasses.dataclass(frozen=True)
class VocabularyOptions:
  """What vocabulary to learn: the flags of these names.

  Attributes:
    vocab_size: number of tokens, V.
    num_unused_tokens: how many of them are [unused0], [unused1], ...
    min_character_count: rarer characters get no token; None for 2, or one in
      40 million characters of the text where that is more.
    max_characters: how many characters get tokens, the most frequent ones; None
      for all.
  """

  vocab_size: int = 30_522
  num_unused_tokens: int = 0
  min_character_count: int | None = None
  max_characters: int | None = None

  @property
  def special_tokens(self) -> list[str]:
    """The first tokens, in the order of the released vocabularies."""
    unused = [f'[unused{i}]' for i in range(self.num_unused_tokens)]
    return ['[PAD]', *unused, *SPECIAL_TOKENS]


def count_letters(counts: Mapping[bytes, int]) -> collections.Counter[str]:
  """Counts the pieces of one character that words are made of.

  Args:
    counts: words, and how often each was seen.

  Returns:
    How often each character begins a word ('a') and continues one ('##a').
  """
  groups = collections.defaultdict(list)
  for word, count in counts.items():
    groups[count].append(word.decode())
  letters = collections.Counter()
  for count, words in groups.items():
    words = [word for word in words if len(word) <= _MAX_CHARACTERS_PER_WORD]
    first = collections.Counter(word[0] for word in words)
    other = collections.Counter(''.join(word[1:] for word in words))
    for letter, number in first.items():
      letters[letter] += count * number
    for letter, number in other.items():
      letters[_CONTINUATION + letter] += count * number
  return letters


def learn(
  counts: Mapping[bytes, int],
  letters: Mapping[str, int],
  options: VocabularyOptions,
) -> list[str]:
  """Learns a vocabulary.

  Args:
    counts: words as the tokenizer separates them, UTF-8, and how often each was
      seen.
    letters: as `count_letters` returns them, of these words and of those that
      were too many to be kept.
    options: what the vocabulary is to be.

  Returns:
    Tokens, exactly `vocab_size`: special ones, characters by code point, longer
    pieces from the most frequent on.

  Raises:
    UserError: `vocab_size` is too small for the alphabet, or larger than the
      text can fill.
  """
  tokens = options.special_tokens + _alphabet(letters, options)
  room = options.vocab_size - len(tokens)
  if room < 0:
    raise UserError(
      f'--vocab_size={options.vocab_size} is too small: the special tokens and '
      f'the characters of the text need {len(tokens)} already; give at least '
      'that, or fewer characters (--max_characters, --min_character_count)'
    )
  alphabet = tokens[len(options.special_tokens) :]
  tokens += _join(_encodable(counts, alphabet), alphabet, room)
  if len(tokens) < options.vocab_size:
    raise UserError(
      f'--vocab_size={options.vocab_size} is more than the text can fill: with '
      f'{len(tokens)} tokens each of its words is one, but for those with rare '
      'characters (--min_character_count); give at most that, or more text'
    )
  return tokens


def _alphabet(
  letters: Mapping[str, int], options: VocabularyOptions
) -> list[str]:
  """Returns the pieces of one character, those that begin words first."""
  characters = collections.Counter()
  for letter, count in letters.items():
    characters[letter[-1]] += count
  least = options.min_character_count
  if least is None:
    least = max(2, _MIN_CHARACTER_SHARE * characters.total())
  ranked = sorted(characters, key=lambda c: (-characters[c], c))
  kept = {c for c in ranked[: options.max_characters] if characters[c] >= least}
  return sorted(
    (letter for letter in letters if letter[-1] in kept),
    key=lambda letter: (len(letter), letter),
  )


def _encodable(
  counts: Mapping[bytes, int], alphabet: Sequence[str]
) -> list[tuple[str, int]]:
  """Returns words of the alphabet's characters and their counts, the most
  frequent ones first."""
  characters = {letter[-1] for letter in alphabet}
  words = ((word.decode(), count) for word, count in counts.items())
  return heapq.nsmallest(
    _MAX_WORDS,
    (
      (word, count)
      for word, count in words
      if len(word) <= _MAX_CHARACTERS_PER_WORD and characters.issuperset(word)
    ),
    key=lambda item: (-item[1], item[0]),
  )


def _join(
  words: Sequence[tuple[str, int]], alphabet: Sequence[str], room: int
) -> Iterable[str]:
  """Returns pieces of several characters, as many as there is room for.

  Args:
    words: and how often each was seen.
    alphabet: the pieces of one character.
    room: how many to learn; fewer come of a text that has no more.
  """
  if not room or all(len(word) == 1 for word, _ in words):
    return []
  symbols = {a: chr(_FIRST_SYMBOL + i) for i, a in enumerate(alphabet)}
  others = {
    ord(letter[-1]): symbol
    for letter, symbol in symbols.items()
    if len(letter) > 1
  }
  encoded = [(symbols[w[0]] + w[1:].translate(others), n) for w, n in words]
  num_symbols = len(set().union(*(word for word, _ in encoded)))
  pieces = (p for p in _train(encoded, num_symbols + room) if len(p) > 1)
  # There may be more: the coverage of 1.0 is computed in float32, so that the
  # rarest symbols, one in ten million, get no piece and leave room.
  useful = itertools.islice(_until_whole(pieces, encoded), room)
  letters = {symbol: letter for letter, symbol in symbols.items()}
  return [_decode(piece, letters) for piece in useful]


def _until_whole(
  pieces: Iterable[str], words: Iterable[tuple[str, int]]
) -> Iterator[str]:
  """Yields pieces until each word is one; those that follow stand nowhere."""
  missing = {word for word, _ in words if len(word) > 1}
  for piece in pieces:
    yield piece
    missing.discard(piece)
    if not missing:
      return


def _train(words: Iterable[tuple[str, int]], num_pieces: int) -> Iterator[str]:
  """Yields the pieces that sentencepiece learns, in its order."""
  import sentencepiece

  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=(f'{word}\t{count}' for word, count in words),
    input_format='tsv',
    model_writer=model,
    model_type='bpe',
    vocab_size=num_pieces + 1,  # It has a piece for what is unknown.
    hard_vocab_limit=False,
    character_coverage=1.0,
    max_sentencepiece_length=_MAX_CHARACTERS_PER_WORD,
    normalization_rule_name='identity',
    # The words are as they are to be.
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
  learnt = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
  return map(learnt.id_to_piece, range(1, learnt.get_piece_size()))


def _decode(piece: str, letters: Mapping[str, str]) -> str:
  """Returns a piece of symbols as a WordPiece token."""
  first, *others = (letters[symbol] for symbol in piece)
  return first + ''.join(letter[-1] for letter in others)
