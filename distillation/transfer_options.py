"""The settings of the transfer set. Nothing here imports TensorFlow.

Tested by `tests/distillation/transfer_set_test.py`.
"""

import dataclasses
import math
import re

from system.errors import UserError
from system.settings import MAX_SEED, setting

# name[:version]:split:column or name[:version]:split:column_a+column_b
_TFDS = re.compile(r'([^:]+(?::\d[\d.*]*)?):([A-Za-z][^:]*(?:\[.*\])?):([^:]+)')


@dataclasses.dataclass(frozen=True)
class TransferOptions:
  """The transfer set: the texts that the teacher scores.

  Sources, in this order: each entry of `transfer_file`, `transfer_split`,
  `transfer_tfds`.
  """

  transfer_file: tuple[str, ...] = setting(
    (),
    'Added: files of the transfer set, plain or gzip: text with one sentence '
    'or tab-separated pair per line, or tables (.csv, .jsonl, .parquet, or TSV '
    'with a header) with the columns --text_column and --text_pair_column; '
    'names and globs, separated by commas.',
    reads='files',
    needs=('do_dump_logits',),
  )
  transfer_text_column: str | None = setting(
    None,
    'Added: the column of the tables in --transfer_file or --teacher_scores '
    'with the sentence, or the first of a pair, if its name differs from that '
    "in the task's own data.",
    needs=('transfer_file|teacher_scores',),
  )
  transfer_text_pair_column: str | None = setting(
    None,
    'Added: the column of the tables in --transfer_file or --teacher_scores '
    'with the second of a pair, if its name differs from that in the '
    "task's own data.",
    needs=('transfer_file|teacher_scores',),
  )
  transfer_split: str | None = setting(
    None,
    "Added: a split of the task whose text joins the transfer set: 'train'.",
    needs=('do_dump_logits',),
  )
  transfer_tfds: str | None = setting(
    None,
    'Added: a split of tensorflow-datasets whose text joins the transfer set: '
    'name:split:column, or name:split:column_a+column_b for pairs. With '
    '--data_source=tfds it is stored in --data_dir.',
    needs=('do_dump_logits',),
  )
  transfer_weights: tuple[str, ...] = setting(
    (),
    'Added: the relative share of each source in the transfer set: a number '
    'for each entry of --transfer_file, then one for --transfer_split and one '
    'for --transfer_tfds if given. Texts are drawn without replacement until '
    'one source runs out. By default all texts are used.',
    needs=('do_dump_logits',),
  )
  max_transfer_examples: int | None = setting(
    None,
    'Added: the maximum number of texts of the transfer set to use, drawn by '
    '--transfer_seed; a smaller set is part of a larger one.',
    at_least=1,
    needs=('do_dump_logits',),
  )
  transfer_seed: int = setting(
    12345,
    'Added: the seed of the draw of --max_transfer_examples and '
    '--transfer_weights.',
    at_least=0,
    at_most=MAX_SEED,
    needs=('do_dump_logits', 'max_transfer_examples|transfer_weights'),
  )

  def check(self) -> None:
    """Checks the sources and their weights.

    Raises:
      UserError: there is no source, `transfer_tfds` is malformed, a weight is
        not a number above 0, or there is not one weight for each source.
    """
    if not self.names():
      raise UserError(
        'give `transfer_file`, `transfer_split` or `transfer_tfds`, or several'
      )
    if self.transfer_tfds:
      self.tfds_parts()
    weights = self.weights()
    if not weights:
      return
    if len(weights) != len(self.names()):
      raise UserError(
        f'`transfer_weights` has {len(weights)} numbers, expected one for each '
        f'of {len(self.names())} sources: {", ".join(self.names())}'
      )
    if min(weights) <= 0:
      raise UserError('`transfer_weights` must all be above 0')

  def names(self) -> list[str]:
    """Returns the names of the sources, in their order."""
    others = filter(None, (self.transfer_split, self.transfer_tfds))
    return [*self.transfer_file, *others]

  def tfds_parts(self) -> tuple[str, str, list[str]]:
    """Returns the data set's name, the split and the columns.

    Raises:
      UserError: `transfer_tfds` is malformed.
    """
    if not (match := _TFDS.fullmatch(self.transfer_tfds)):
      raise UserError(
        f'`transfer_tfds`={self.transfer_tfds}: expected name:split:column, or '
        'name:split:column_a+column_b for pairs'
      )
    name, split, columns = match.groups()
    if len(names := columns.split('+')) > 2:
      raise UserError(
        f'`transfer_tfds`={self.transfer_tfds}: expected one or two columns, '
        f'got {len(names)}'
      )
    return name, split, names

  def weights(self) -> tuple[float, ...]:
    """Returns the sources' shares; none if all texts are used.

    Raises:
      UserError: an entry is not a finite number.
    """
    return tuple(map(_number, self.transfer_weights))


def _number(text: str) -> float:
  try:
    value = float(text)
  except ValueError:
    value = math.nan
  if not math.isfinite(value):
    raise UserError(f'`transfer_weights`: {text!r} is not a finite number')
  return value
