"""Counts a corpus's words as the tokenizer separates them, in bounded memory.

However large the corpus, the counter keeps at most about a million different
words (200 MB). When there are more, it passes the rarer half to a callback and
forgets it; if such a word occurs again, its count starts at zero. A count may
therefore be too small, but the sums over kept and forgotten words are exact.
Which words are forgotten depends on the text, not on the number of threads.
"""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from absl import logging

from data.text import survey, survey_report
from data.text.corpus import Corpus
from data.text.file_survey import FileSurvey
from system.progress import Progress
from system.threads import num_cores, ordered_map

MAX_WORDS = 1 << 20
# Characters passed to TensorFlow in one call: about 8,000 lines of English.
_BATCH_CHARACTERS = 1 << 20

# Words, UTF-8, and how often each occurred.
Counts = Mapping[bytes, int]


class WordCounter:
  """Counts words; forgets rare ones when there are too many.

  Attributes:
    counts: the words that are kept, with their counts.
  """

  def __init__(
    self, on_forgotten: Callable[[Counts], None], max_words: int = MAX_WORDS
  ):
    """Starts with no words.

    Args:
      on_forgotten: called with the words that are forgotten.
      max_words: the maximum number of different words to keep.
    """
    self.counts: collections.Counter[bytes] = collections.Counter()
    self._on_forgotten = on_forgotten
    self._max_words = max_words

  def add(self, words: Iterable[bytes]) -> None:
    """Counts some words."""
    self.counts.update(words)
    if len(self.counts) > self._max_words:
      self._forget()

  def _forget(self) -> None:
    """Forgets at least the rarer half; equally frequent words go together."""
    ranked = sorted(self.counts.values())
    limit = ranked[len(ranked) // 2]
    kept, forgotten = collections.Counter(), {}
    for word, count in self.counts.items():
      (kept if count > limit else forgotten)[word] = count
    self.counts = kept
    self._on_forgotten(forgotten)


def count_words(
  corpus: Corpus,
  do_lower_case: bool,
  counter: WordCounter,
  num_workers: int | None = None,
) -> None:
  """Surveys a corpus, then counts the words of its documents.

  Args:
    corpus: the text.
    do_lower_case: whether to lower-case and to remove accents.
    counter: receives the words.
    num_workers: threads that separate words; None for one a core.

  Raises:
    UserError: the text cannot be read, or has no document.
  """
  surveys = _survey(corpus)
  # TensorFlow takes seconds to import: --help and the survey do without it.
  from data.text.tokenization import space_words

  def separate(batch: tuple[list[str], int]) -> tuple[bytes, int]:
    lines, num_bytes = batch
    spaced = space_words(lines, do_lower_case).numpy()
    return b'\n'.join(spaced.tolist()), num_bytes

  total = sum(found.num_bytes for found in surveys)
  num_workers = num_workers or num_cores()
  batches = _batches(corpus, surveys)
  done = 0
  with (
    Progress(total, 'B') as progress,
    ThreadPoolExecutor(num_workers) as pool,
  ):
    for text, size in ordered_map(pool, 2 * num_workers, separate, batches):
      counter.add(text.split())
      done += size
      speed = done / 1e6 / max(progress.seconds, 1e-9)
      progress.update(done, f'{speed:.1f} MB/s, {len(counter.counts):,} words')


def _survey(corpus: Corpus) -> list[FileSurvey]:
  """Surveys a corpus, with progress, and logs the result."""
  first, *others = corpus.paths
  more = f' and {len(others):,} more' if others else ''
  logging.info('reading %s%s', first, more)
  surveys = survey.survey_with_progress(corpus)
  logging.info('found %s', survey_report.render(surveys))
  return surveys


def _batches(
  corpus: Corpus, surveys: Sequence[FileSurvey]
) -> Iterator[tuple[list[str], int]]:
  """Yields batches of lines of about `_BATCH_CHARACTERS`, and their bytes."""
  documents = itertools.chain.from_iterable(
    corpus.documents(number, found) for number, found in enumerate(surveys)
  )
  lines, characters, num_bytes = [], 0, 0
  for document in documents:
    # Lines instead of documents: `space_words` is faster for pure ASCII.
    lines += document.text.split('\n')
    characters += len(document.text)
    num_bytes += document.num_bytes
    if characters >= _BATCH_CHARACTERS:
      yield lines, num_bytes
      lines, characters, num_bytes = [], 0, 0
  if lines:
    yield lines, num_bytes
