"""What a job's data is like: labels, duplicates, leaks, lengths in tokens.

`make` counts and finds what is probably a mistake; `data_report_lines` words
the counts for the log. data_report.json holds all of it; docs/fine-tuning.md
lists its keys.

Two texts are the same if their `text_key` is. A pair is one text.
"""

import collections
import os
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import logging

from data.tasks import data_report_lines, text_key
from data.tasks.examples import Example
from data.tasks.text_key import TextKey
from system import files
from system.errors import shown

if TYPE_CHECKING:
  from data.tasks.task import Task
  from data.text.tokenization import BertTokenizer

FILE = 'data_report.json'

# Tokenizing so many characters of a split takes a second or two.
_MAX_CHARACTERS = 20_000_000
_CHUNK = 2000
# A label of a larger share leaves little to learn.
_MAX_SHARE = 0.95
# The outputs of a new head are near 0, and the clipped gradients move them
# slowly: STS-B's 0 to 5 are learned, numbers of hundreds are not.
_MAX_NUMBER = 10
# Messages list so many labels.
_MAX_LABELS = 10

# Of larger shares of [UNK] there is a warning.
_MAX_UNKNOWN = 0.1


class Measured(NamedTuple):
  """The tokens of N examples, before any cut.

  Attributes:
    lengths: int64 [N], with [CLS] and [SEP].
    unknown: int64 [N], how many are [UNK].
  """

  lengths: np.ndarray
  unknown: np.ndarray

  def unknown_share(self) -> float:
    """Returns the share of [UNK] among the tokens without [CLS] and [SEP].

    The second [SEP] of pairs counts as a token.
    """
    num_tokens = self.lengths.sum() - 2 * len(self.lengths)
    return float(self.unknown.sum() / max(1, num_tokens))


Measure = Callable[[Sequence[Example]], Measured]


def measure_with(tokenizer: 'BertTokenizer') -> Measure:
  """Returns a function that counts the tokens of examples."""

  def count(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    ids = tokenizer.tokenize(texts)
    lengths, rows = ids.row_lengths().numpy(), ids.value_rowids().numpy()
    is_unknown = ids.values.numpy() == tokenizer.unk_id
    return lengths, np.bincount(rows[is_unknown], minlength=len(texts))

  def measure(examples: Sequence[Example]) -> Measured:
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for start in range(0, len(examples), _CHUNK):
      chunk = examples[start : start + _CHUNK]
      lengths, unknown = count([e.text_a for e in chunk])
      num_tokens = lengths + 2
      if chunk[0].text_b is not None:
        second, unknown_b = count([e.text_b for e in chunk])
        num_tokens += second + (second > 0)  # A text without tokens: no [SEP].
        unknown = unknown + unknown_b
      parts.append((num_tokens, unknown))
    return Measured(*map(np.concatenate, zip(*parts, strict=True)))

  return measure


def make(
  task: 'Task',
  splits: Mapping[str, Sequence[Example]],
  measure: Measure,
  max_seq_length: int,
  longest_input: int,
) -> dict[str, Any]:
  """Counts what a job's splits hold.

  Args:
    task: decides whether labels are classes or numbers.
    splits: split → its examples; the one to train on, if there is one, first.
    measure: see `Measure`. Of a large split it gets every k-th example.
    max_seq_length: S.
    longest_input: the maximum input length of the model, in tokens.

  Returns:
    The content of data_report.json.
  """
  sizes = _sizes(max_seq_length, longest_input)
  report: dict[str, Any] = {'max_seq_length': max_seq_length, 'splits': {}}
  seen: dict[str, Mapping[TextKey, Sequence[Example]]] = {}
  for name, examples in splits.items():
    if not examples:
      continue
    texts = text_key.by_text(examples)
    report['splits'][name] = {
      'num_examples': len(examples),
      **_labels(task, examples),
      **_repeated(texts.values()),
      'num_empty': sum(map(_is_empty, examples)),
      'num_also_in': {
        other: sum(len(own) for key, own in texts.items() if key in others)
        for other, others in seen.items()
      },
      'lengths': _lengths(examples, measure, sizes),
    }
    seen[name] = texts
  return {**report, 'faults': _find_faults(report)}


def show(report: Mapping[str, Any]) -> None:
  """Logs a report, and warns of its faults."""
  for line in data_report_lines.describe(report):
    logging.info('%s', line)
  for fault in report['faults']:
    logging.warning('%s', fault)


def write(report: Mapping[str, Any], folder: str) -> None:
  """Writes data_report.json."""
  files.write_json(os.path.join(folder, FILE), report)


def _find_faults(report: Mapping[str, Any]) -> list[str]:
  """Describes probable mistakes in the data, one sentence each."""
  faults = []
  splits = report['splits']
  for name, split in splits.items():
    for other, count in split['num_also_in'].items():
      if count > split['num_examples'] / 2:
        faults.append(
          f'{count:,} of {split["num_examples"]:,} texts of {name} are also in '
          f'{other}: scores on {name} will be too good.'
        )
    if fault := fault_of_unknown(name, split['lengths']['unknown_share']):
      faults.append(fault)
  if not (train := splits.get('train')):
    return faults
  if numbers := train.get('numbers'):
    fault = fault_of_numbers(numbers['mean'], numbers['deviation'])
    faults += [fault] if fault else []
  if 'labels' not in train:
    return faults
  known = {label for label, count in train['labels'].items() if count}
  for name, split in splits.items():
    counts = split.get('labels', {})
    if new := [k for k, count in counts.items() if count and k not in known]:
      faults.append(
        f'No example of train has these labels of {name}: '
        f'{", ".join(map(shown, new[:_MAX_LABELS]))}. A model cannot learn '
        'them.'
      )
  label = max(train['labels'], key=train['labels'].__getitem__)
  share = train['labels'][label] / sum(train['labels'].values())
  if share > _MAX_SHARE:
    faults.append(
      f'{share:.1%} of train has the label {shown(label)}: a model that always '
      f'answers {shown(label)} has that accuracy.'
    )
  return faults


def fault_of_unknown(name: str, share: float) -> str | None:
  """Words that the vocabulary does not fit texts; None if it does.

  Args:
    name: the split's.
    share: of [UNK] among their tokens.
  """
  if share <= _MAX_UNKNOWN:
    return None
  return (
    f'{share:.0%} of the tokens of {name} are [UNK]: the vocabulary lacks '
    'their characters, and the model cannot tell such words apart. It needs '
    'a vocabulary, and a model, for this language.'
  )


def fault_of_numbers(mean: float, deviation: float) -> str | None:
  """Words why a model cannot learn the numbers of train; None if it can."""
  if max(abs(mean), deviation) <= _MAX_NUMBER:
    return None
  return (
    f'The numbers of train have the mean {mean:.4g} and the standard deviation '
    f'{deviation:.4g}. A model learns numbers near 0 (STS-B: 0 to 5): subtract '
    'the mean and divide by the deviation, in all splits.'
  )


def _labels(task: 'Task', examples: Sequence[Example]) -> dict[str, Any]:
  """Returns the number of each label, or statistics of the numbers."""
  labels = [e.label for e in examples if e.label is not None]
  found: dict[str, Any] = {'num_unlabelled': len(examples) - len(labels)}
  if task.is_regression:
    values = [float(label) for label in labels]
    if values:
      found['numbers'] = {
        'mean': statistics.fmean(values),
        'deviation': statistics.pstdev(values),
        'lowest': min(values),
        'highest': max(values),
      }
  elif labels:
    counts = collections.Counter(labels)
    found['labels'] = {label: counts[label] for label in task.labels}
  return found


def _repeated(groups: Iterable[Sequence[Example]]) -> dict[str, Any]:
  """Counts texts that occur more than once, and different labels of them."""
  repeated = [group for group in groups if len(group) > 1]
  mixed = text_key.contradicting(repeated)
  return {
    'num_repeated_texts': len(repeated),
    'num_repeated_examples': sum(map(len, repeated)),
    'num_repeated_with_different_labels': len(mixed),
    'first_with_different_labels': mixed[0] if mixed else None,
  }


def _is_empty(example: Example) -> bool:
  """Returns whether a text is blank, or one of a pair is."""
  return not example.text_a.strip() or (
    example.text_b is not None and not example.text_b.strip()
  )


def _sizes(max_seq_length: int, longest_input: int) -> list[int]:
  """Returns S and its doubles, up to the maximum input length."""
  sizes = [max_seq_length]
  while sizes[-1] < longest_input:
    sizes.append(min(2 * sizes[-1], longest_input))
  return sizes


def _lengths(
  examples: Sequence[Example], measure: Measure, sizes: Iterable[int]
) -> dict[str, Any]:
  size = sum(len(e.text_a) + len(e.text_b or '') for e in examples)
  step = max(1, -(-size // _MAX_CHARACTERS))
  measured = measure(examples[::step])
  lengths = measured.lengths
  return {
    'num_measured': len(lengths),
    'unknown_share': measured.unknown_share(),
    'median': int(np.percentile(lengths, 50, method='lower')),
    'percentile_95': int(np.percentile(lengths, 95, method='lower')),
    'longest': int(lengths.max()),
    'share_cut_at': {str(s): float(np.mean(lengths > s)) for s in sizes},
  }
