"""How many texts there are and how long they are: what the plan depends on.

Tested by `tests/pipeline/text_statistics_test.py`.
"""

import contextlib
import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data.tasks import data_report, text_rows
from data.tasks.examples import Example
from data.tasks.held_out import HeldOut
from data.tasks.labelled import Labelled
from data.tasks.table_rows import Columns
from data.tasks.text_rows import TextColumns
from data.text.tokenization import BertTokenizer
from data.text.vocabulary import Vocabulary
from distillation import transfer_text
from distillation.transfer_text import Text
from pipeline.models import Models
from pipeline.options import SourceOptions
from system import files
from system.errors import UserError

# Enough for the percentiles and the mean of a split.
_MAX_MEASURED = 5000
_PERCENTILE = 99
# Of transfer tables, if no flag names others.
_DEFAULT_COLUMNS = ('sentence', 'sentence2')


@dataclasses.dataclass(frozen=True)
class TextStatistics:
  """Facts on the texts of a pipeline.

  Attributes:
    num: of examples: 'train', 'dev', 'test' if there is one, and 'transfer',
      the unlabelled texts with those of train, without those of dev and test;
      or the texts of a dump.
    lengths: 'train' and 'transfer' → the lengths of their texts in tokens,
      ascending, with [CLS] and [SEP]; of a sample if there are many. Those of
      a dump are taken to be those of train.
    transfer_columns: the flags that name the columns of the transfer tables.
    unknown_share: of [UNK] among the tokens of train.
  """

  num: dict[str, int]
  lengths: dict[str, np.ndarray]
  transfer_columns: dict[str, str]
  unknown_share: float = 0.0

  def percentile(self, name: str) -> int:
    """Returns the 99th percentile of some texts' lengths."""
    values = self.lengths[name]
    return int(np.percentile(values, _PERCENTILE, method='higher'))

  def mean_length(self, name: str, limit: int) -> float:
    """Returns the mean number of tokens after the cut to `limit`."""
    return float(np.minimum(self.lengths[name], limit).mean())

  def share_longer(self, limit: int) -> float:
    """Returns the share of train's texts that `limit` cuts."""
    return float((self.lengths['train'] > limit).mean())


def measure(
  source: SourceOptions, labelled: Labelled, models: Models
) -> TextStatistics:
  """Counts and measures the texts; hides the GPUs from this process.

  Raises:
    UserError: a file of the transfer set is malformed, or has single sentences
      where the labelled texts are pairs, or the other way round. Or all texts
      are in dev or test.
  """
  _leave_gpus_to_commands()
  tokenizer = BertTokenizer(
    Vocabulary([token.strip() for token in models.tokens]),
    models.do_lower_case,
  )
  num = {name: len(own) for name, own in labelled.splits.items()}
  count = data_report.measure_with(tokenizer)
  train = _measured(labelled.splits['train'], count)
  lengths, share = {'train': np.sort(train.lengths)}, train.unknown_share()
  if manifest := models.teacher.manifest:
    num['transfer'] = manifest.num_examples
    return TextStatistics(
      num, {**lengths, 'transfer': lengths['train']}, {}, share
    )
  columns = transfer_columns(source, labelled)
  unlabelled = [
    Example(*text[:3], None) for text in _transfer(source, labelled, columns)
  ]
  joined = _without_held_out([*labelled.splits['train'], *unlabelled], labelled)
  num['transfer'] = len(joined)
  lengths['transfer'] = np.sort(_measured(joined, count).lengths)
  return TextStatistics(num, lengths, columns, share)


def _without_held_out(
  examples: Sequence[Example], labelled: Labelled
) -> list[Example]:
  """Returns the texts that are neither in dev nor in test, as the dump does."""
  splits = labelled.splits.items()
  held_out = HeldOut(
    example for name, own in splits if name != 'train' for example in own
  )
  kept = [e for e in examples if not held_out.has(e.text_a, e.text_b)]
  if not kept:
    raise UserError('the transfer set has no text outside of dev and test')
  return kept


def _leave_gpus_to_commands() -> None:
  """Hides the GPUs from this process, which lives on while its commands run.

  TensorFlow would reserve nearly all memory of the GPUs. Has no effect once
  TensorFlow has run an op.
  """
  with contextlib.suppress(RuntimeError):
    tf.config.set_visible_devices([], 'GPU')


def _measured(
  examples: Sequence[Example], measure: data_report.Measure
) -> data_report.Measured:
  stride = -(-len(examples) // _MAX_MEASURED)
  return measure(examples[::stride])


def transfer_columns(
  source: SourceOptions, labelled: Labelled
) -> dict[str, str]:
  """Returns the flags that name the columns of the transfer tables.

  The user's own column of the labelled table counts, too, if a file has it.
  """
  given = {
    'transfer_text_column': source.transfer_text_column,
    'transfer_text_pair_column': source.transfer_text_pair_column,
  }
  if not any(given.values()) and _is_table(source, labelled):
    columns = _own_columns(source)
    given['transfer_text_column'] = columns.text
    given['transfer_text_pair_column'] = columns.pair
  return {name: value for name, value in given.items() if value}


def _own_columns(source: SourceOptions) -> Columns:
  """Returns the columns of the labelled table; those given with `data_dir`."""
  own = source.columns
  return own.found_in(source.input_file) if source.input_file else own


def _is_table(source: SourceOptions, labelled: Labelled) -> bool:
  """Returns whether a file has the columns that the labelled table has."""
  names = _own_columns(source).texts()
  if len(names) != 1 + labelled.is_pair:
    return False
  if names == _DEFAULT_COLUMNS[: len(names)]:
    return False  # They count in any case.
  for path in files.expand(source.transfer_file):
    try:
      is_table, _ = text_rows.open_file(path, TextColumns(names))
    except UserError:
      continue
    if is_table:
      return True
  return False


def _transfer(
  source: SourceOptions, labelled: Labelled, columns: dict[str, str]
) -> list[Text]:
  if not source.transfer_file:
    return []
  names = list(_DEFAULT_COLUMNS[: 1 + labelled.is_pair])
  if source.data_dir:
    own = labelled.columns
    names = [
      own.get('text_column', names[0]),
      *[own.get('text_pair_column', 'sentence2')] * labelled.is_pair,
    ]
  apart = [
    columns.get('transfer_text_column'),
    columns.get('transfer_text_pair_column'),
  ]
  chosen = tuple(a or b for a, b in zip(apart, names, strict=False))
  texts = [
    text
    for group in transfer_text.read_files(
      source.transfer_file, TextColumns(chosen, bool(columns))
    )
    for text in group
  ]
  if (texts[0].text_b is not None) != labelled.is_pair:
    kinds = ('single sentences', 'pairs')
    raise UserError(
      f'`transfer_file` has {kinds[texts[0].text_b is not None]}, the labelled '
      f'texts are {kinds[labelled.is_pair]}'
    )
  return texts
