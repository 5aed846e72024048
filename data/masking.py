"""Next-sentence and masked-LM sampling: pure numpy, seeded, vectorised.

What is drawn here has the distributions of google-research/bert's
`create_pretraining_data.py`. Nothing runs over single tokens in Python: the
documents of a block are walked through in step, one pair of each at a time, and
records are masked a batch at a time.

Letters: N pairs or records, S sequence, P predictions, V vocabulary.
"""

from typing import NamedTuple

import numpy as np

# A unit's number stands in the low bits of its random sort key.
_NUMBER_BITS = np.uint64(16)
MAX_SEQ_LENGTH = 1 << int(_NUMBER_BITS)

_MASK_SHARE = 0.8
_KEEP_SHARE = 0.1  # The rest, 0.1, becomes a random token.
_RANDOM_NEXT_SHARE = 0.5
# How often the original draws another document before it takes its own.
_DOCUMENT_TRIES = 10


class Documents(NamedTuple):
  """Tokenised documents, one after the other, none of them empty."""

  tokens: np.ndarray  # int32 [T]
  sentences: np.ndarray  # int64 [sentences + 1], offsets into `tokens`
  documents: np.ndarray  # int64 [documents + 1], offsets into `sentences`


class Pairs(NamedTuple):
  """Pairs of segments, each a span of `Documents.tokens`; all [N]."""

  a_start: np.ndarray  # int64
  a_length: np.ndarray  # int64, at least 1
  b_start: np.ndarray  # int64
  b_length: np.ndarray  # int64, at least 1
  is_random_next: np.ndarray  # bool

  def take(self, rows: np.ndarray) -> 'Pairs':
    """Returns the pairs of these numbers."""
    return Pairs(*(column[rows] for column in self))


class Special(NamedTuple):
  """The ids that sampling puts in, and what it must know of the others."""

  cls_id: int
  sep_id: int
  mask_id: int
  continuation: np.ndarray  # bool [V], True for '##' pieces


class Masked(NamedTuple):
  """The masked tokens of a batch, padded with zeros to P."""

  input_ids: np.ndarray  # int32 [N, S], after masking
  positions: np.ndarray  # int32 [N, P], ascending
  labels: np.ndarray  # int32 [N, P], the ids before masking
  weights: np.ndarray  # float32 [N, P], 1.0 real, 0.0 padding


def generator(random_seed: int, *key: int) -> np.random.Generator:
  """Returns the generator of one piece of work, whoever does it and when.

  Args:
    random_seed: any integer.
    *key: what tells the piece of work from all others.
  """
  sequence = np.random.SeedSequence(random_seed % 2**64, spawn_key=key)
  return np.random.Generator(np.random.Philox(sequence))


def sample_pairs(
  block: Documents,
  max_seq_length: int,
  short_seq_prob: float,
  rng: np.random.Generator,
) -> Pairs:
  """Cuts every document once into pairs of segments.

  A document has a target length: all that fits, or with `short_seq_prob` any
  length from 2 up. Sentences are collected until they reach it; A is some of
  the first, at least one. B is the rest, or else (half the time, and always
  where there is one sentence) begins anywhere in another document of the block
  and the rest is used again. Pairs that are too long are cut.

  Returns:
    The pairs, in an order that says nothing; shuffle them.
  """
  num_sentences = len(block.sentences) - 1
  num_documents = len(block.documents) - 1
  targets = _target_lengths(
    num_documents, max_seq_length - 3, short_seq_prob, rng
  )
  # One row for each pair that could begin at a sentence, so that no document's
  # pairs depend on how many draws another one needs.
  draws = rng.random((num_sentences, 4))
  lanes = np.arange(num_documents)
  starts = block.documents[:-1]
  parts = []
  while lanes.size:
    pairs, nexts = _next_pairs(
      block, lanes, starts, targets[lanes], draws[starts]
    )
    parts.append(pairs)
    unfinished = nexts < block.documents[lanes + 1]
    lanes, starts = lanes[unfinished], nexts[unfinished]
  pairs = Pairs(
    *(np.concatenate(columns) for columns in zip(*parts, strict=True))
  )
  return _truncate(pairs, max_seq_length - 3, rng)


def _target_lengths(
  count: int, longest: int, short_seq_prob: float, rng: np.random.Generator
) -> np.ndarray:
  """Draws the length in tokens to which each document is cut, int64 [count]."""
  short = rng.random(count) < short_seq_prob
  return np.where(short, rng.integers(2, longest + 1, count), longest)


def _next_pairs(
  block: Documents,
  lanes: np.ndarray,
  starts: np.ndarray,
  targets: np.ndarray,
  draws: np.ndarray,
) -> tuple[Pairs, np.ndarray]:
  """Makes the pair of each document that begins at one of its sentences.

  Args:
    block: the documents.
    lanes: the documents' numbers, int64 [N].
    starts: the sentences' numbers, int64 [N].
    targets: length of A and B together, int64 [N], tokens.
    draws: float64 [N, 4] in [0, 1).

  Returns:
    The pairs, before they are cut, and the sentences at which the documents'
    next pairs begin, int64 [N].
  """
  split_draw, random_draw, document_draw, start_draw = draws.T
  ends = _reach(block, starts, targets, lanes)
  available = ends - starts
  splits = starts + 1 + (split_draw * (available - 1)).astype(np.int64)
  is_random = (available == 1) | (random_draw < _RANDOM_NEXT_SHARE)
  a_start, a_end = block.sentences[starts], block.sentences[splits]

  others = _other_documents(lanes, len(block.documents) - 1, document_draw)
  first = block.documents[others]
  sizes = block.documents[others + 1] - first
  random_starts = first + (start_draw * sizes).astype(np.int64)
  wanted = np.maximum(targets - (a_end - a_start), 1)
  random_ends = _reach(block, random_starts, wanted, others)

  b_start = block.sentences[np.where(is_random, random_starts, splits)]
  b_end = block.sentences[np.where(is_random, random_ends, ends)]
  pairs = Pairs(a_start, a_end - a_start, b_start, b_end - b_start, is_random)
  return pairs, np.where(is_random, splits, ends)


def _reach(
  block: Documents, starts: np.ndarray, lengths: np.ndarray, lanes: np.ndarray
) -> np.ndarray:
  """Returns where sentences from `starts` on reach a length, or the document's
  end, int64 [N]; always at least one sentence on."""
  ends = np.searchsorted(block.sentences, block.sentences[starts] + lengths)
  return np.minimum(ends, block.documents[lanes + 1])


def _other_documents(
  own: np.ndarray, num_documents: int, draws: np.ndarray
) -> np.ndarray:
  """Chooses documents as ten tries to hit another than one's own would.

  One draw stands for all tries: its own document is left with probability
  (1 / documents) ** 10, which is 1 where there is no other.
  """
  own_share = float(num_documents) ** -_DOCUMENT_TRIES
  if own_share == 1:
    return own
  scaled = (draws - own_share) / (1 - own_share) * (num_documents - 1)
  others = np.clip(scaled, 0, num_documents - 2).astype(np.int64)
  others += others >= own
  return np.where(draws < own_share, own, others)


def _truncate(pairs: Pairs, longest: int, rng: np.random.Generator) -> Pairs:
  """Cuts pairs to `longest` tokens, one token at a time from the longer segment
  (from B where they are equal), each from the front or the back by chance."""
  a, b = pairs.a_length, pairs.b_length
  excess = np.maximum(a + b - longest, 0)
  # First the longer one comes down to the other; then they take turns, B first.
  uneven = np.minimum(excess, np.abs(a - b))
  turns = excess - uneven
  from_a = np.where(a > b, uneven, 0) + turns // 2
  from_b = np.where(a > b, 0, uneven) + turns - turns // 2
  return pairs._replace(
    a_start=pairs.a_start + rng.binomial(from_a, 0.5),
    a_length=a - from_a,
    b_start=pairs.b_start + rng.binomial(from_b, 0.5),
    b_length=b - from_b,
  )


def join_pairs(
  tokens: np.ndarray, pairs: Pairs, special: Special, max_seq_length: int
) -> tuple[np.ndarray, np.ndarray]:
  """Makes `[CLS] A [SEP] B [SEP]`, padded with zeros.

  Args:
    tokens: int32 [T], what the pairs are spans of.
    pairs: the pairs, cut to fit.
    special: the ids to put in.
    max_seq_length: S.

  Returns:
    The ids, int32 [N, S], and which of them belong to A or B, bool [N, S].
  """
  position = np.arange(max_seq_length)
  first_sep = pairs.a_length[:, None] + 1
  last_sep = first_sep + pairs.b_length[:, None] + 1
  in_a = position < first_sep
  source = position + np.where(
    in_a, pairs.a_start[:, None] - 1, pairs.b_start[:, None] - first_sep - 1
  )
  is_text = (position < last_sep) & (position != first_sep) & (position > 0)
  # Outside the text any source will do.
  ids = np.where(is_text, tokens.take(source, mode='clip'), 0)
  rows = np.arange(len(ids))
  ids[:, 0] = special.cls_id
  ids[rows, first_sep[:, 0]] = special.sep_id
  ids[rows, last_sep[:, 0]] = special.sep_id
  return ids.astype(np.int32, copy=False), is_text


def num_to_mask(
  lengths: np.ndarray, masked_lm_prob: float, max_predictions: int
) -> np.ndarray:
  """Returns how many tokens to mask at most; int64 [N].

  The share counts [CLS] and [SEP] too, is rounded half to even, and is at least
  one token and at most `max_predictions`.

  Args:
    lengths: int64 [N], tokens with [CLS] and [SEP].
    masked_lm_prob: the share.
    max_predictions: P.
  """
  wanted = np.rint(lengths * masked_lm_prob).astype(np.int64)
  return np.minimum(np.maximum(wanted, 1), max_predictions)


def choose_masked(
  candidates: np.ndarray,
  starts: np.ndarray,
  budget: np.ndarray,
  rng: np.random.Generator,
) -> np.ndarray:
  """Chooses whole units in random order, each that still fits the budget.

  Args:
    candidates: bool [N, S], tokens that may be masked.
    starts: bool [N, S], candidates at which a unit begins: each of them for
      wordpieces, the first pieces of words for whole words. A row's first
      candidate always begins one.
    budget: int64 [N], tokens to mask at most.
    rng: the source of chance.

  Returns:
    bool [N, S], the tokens to mask.
  """
  num_rows, length = candidates.shape
  rows = np.arange(num_rows)
  starts = starts | (candidates & (np.cumsum(candidates, axis=1) == 1))
  unit = np.maximum(np.cumsum(starts, axis=1) - 1, 0)
  sizes = np.bincount(
    (rows[:, None] * length + unit)[candidates], minlength=num_rows * length
  ).reshape(num_rows, length)
  order = _shuffled_units(sizes, rng)
  chosen = np.zeros((num_rows, length), bool)
  covered = np.zeros(num_rows, np.int64)
  for numbers in order.T:
    size = sizes[rows, numbers]
    fits = (covered + size <= budget) & (size > 0)
    chosen[rows, numbers] = fits
    covered += size * fits
    if (covered == budget).all():
      break
  return np.take_along_axis(chosen, unit, axis=1) & candidates


def _shuffled_units(sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """Returns each row's unit numbers in random order, those without tokens last;
  int64 [N, S]."""
  keys = rng.integers(0, 2**64, sizes.shape, np.uint64)
  keys[sizes == 0] = np.iinfo(np.uint64).max
  # Equal keys cannot be: the units' numbers are their low bits.
  keys >>= _NUMBER_BITS
  keys <<= _NUMBER_BITS
  keys |= np.arange(sizes.shape[1], dtype=np.uint64)
  keys.sort(axis=1)
  return (keys & np.uint64(MAX_SEQ_LENGTH - 1)).astype(np.int64)


def replace_masked(
  ids: np.ndarray,
  masked: np.ndarray,
  max_predictions: int,
  special: Special,
  rng: np.random.Generator,
) -> Masked:
  """Puts [MASK] for 80 % of the masked tokens, any token of the vocabulary for
  10 %, and leaves 10 % as they are.

  Args:
    ids: int32 [N, S].
    masked: bool [N, S], at most P in a row.
    max_predictions: P.
    special: the ids, and V.
    rng: the source of chance.
  """
  rows, columns = np.nonzero(masked)
  labels = ids[rows, columns]
  draws = rng.random(len(rows))
  random_ids = rng.integers(0, len(special.continuation), len(rows), np.int32)
  kept_or_random = np.where(
    draws < _MASK_SHARE + _KEEP_SHARE, labels, random_ids
  )
  input_ids = ids.copy()
  input_ids[rows, columns] = np.where(
    draws < _MASK_SHARE, special.mask_id, kept_or_random
  )
  counts = masked.sum(axis=1)
  slots = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
  shape = (len(ids), max_predictions)
  result = Masked(
    input_ids,
    np.zeros(shape, np.int32),
    np.zeros(shape, np.int32),
    np.zeros(shape, np.float32),
  )
  result.positions[rows, slots] = columns
  result.labels[rows, slots] = labels
  result.weights[rows, slots] = 1.0
  return result
