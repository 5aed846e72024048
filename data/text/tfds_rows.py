"""Rows of tensorflow-datasets as text: tasks, transfer sets and corpora.

The package is imported when a data set is opened: few runs need it.
"""

from collections.abc import Iterator, Sequence

from system.errors import UserError

_BATCH = 1000
# A text may be a book.
_TEXT_BATCH = 64


class TfdsSource:
  """A data set, downloaded and prepared if need be."""

  def __init__(self, name: str, data_dir: str | None, flag: str):
    """Finds the data set; downloads it where it is not in `data_dir` yet.

    Args:
      name: 'name', 'name/config' or 'name/config:version'.
      data_dir: where tensorflow-datasets keeps its data; None is its default,
        ~/tensorflow_datasets.
      flag: what asked for it, for the messages.

    Raises:
      UserError: there is no such data set, or it cannot be downloaded.
    """
    import tensorflow_datasets as tfds

    self._flag = flag
    try:
      self._builder = tfds.builder(name, data_dir=data_dir)
      self._builder.download_and_prepare()
    # It raises classes of many modules: unknown names, no network.
    except Exception as error:
      raise UserError(f'{flag}: {_reason(error)}') from error

  def split_names(self) -> list[str]:
    """Returns the names of the splits."""
    return list(self._builder.info.splits)

  def num_examples(self, split: str) -> int:
    """Returns how many examples a split, or a part of one, has.

    Raises:
      UserError: there is no such split.
    """
    return self._split(split).num_examples

  def shards(self, split: str) -> list[str]:
    """Returns the parts of a split that are files of their own, in order.

    Raises:
      UserError: there is no such split.
    """
    if '[' in split:
      return [split]
    num_shards = self._split(split).num_shards
    return [f'{split}[{shard}shard]' for shard in range(num_shards)]

  def _split(self, split: str):
    try:
      return self._builder.info.splits[split]
    except (KeyError, ValueError) as error:
      raise UserError(f'{self._flag}, {split}: {_reason(error)}') from error

  def class_names(self, column: str) -> tuple[str, ...] | None:
    """Returns the names of a label's classes, in order; None if it has none."""
    features = self._builder.info.features
    names = (
      getattr(features[column], 'names', None) if column in features else None
    )
    return tuple(names) if names else None

  def rows(
    self, split: str, texts: Sequence[str], others: Sequence[str] = ()
  ) -> Iterator[dict[str, str]]:
    """Yields a split's rows in the order in which they are stored.

    Args:
      split: a name, or a part of one: 'train[:10%]'.
      texts: columns of text.
      others: more columns to read, where they are there: numbers, classes or
        text. A class is given by its name and left out where it is -1; numbers
        as Python writes them.

    Raises:
      UserError: there is no such split, or no such column of text; the data is
        damaged.
    """
    features = self._builder.info.features
    names = [*texts, *(name for name in others if name in features)]
    for batch in self._batches(split, texts, names):
      try:
        columns = [
          _as_text(batch[name], self.class_names(name)) for name in names
        ]
      except UnicodeDecodeError as error:
        raise UserError(f'{self._flag}, {split}: {_reason(error)}') from error
      for values in zip(*columns, strict=True):
        row = zip(names, values, strict=True)
        yield {name: value for name, value in row if value is not None}

  def texts(self, split: str, column: str) -> Iterator[bytes]:
    """Yields one column of text as it is stored.

    Raises:
      UserError: as `rows`.
    """
    for batch in self._batches(split, [column], [column], _TEXT_BATCH):
      yield from batch[column]

  def _batches(
    self,
    split: str,
    texts: Sequence[str],
    names: Sequence[str],
    size: int = _BATCH,
  ) -> Iterator[dict]:
    """Yields columns, NumPy [N] each, and checks those of text."""
    import tensorflow as tf

    features = self._builder.info.features
    for name in texts:
      if name not in features or features[name].tf_dtype != tf.string:
        raise UserError(
          f'{self._flag}: {name!r} is no text column; there are '
          f'{", ".join(sorted(features))}'
        )
    try:
      rows = self._builder.as_dataset(split=split)
      rows = rows.map(lambda row: {name: row[name] for name in names})
      yield from rows.batch(size).as_numpy_iterator()
    except (ValueError, tf.errors.OpError) as error:
      raise UserError(f'{self._flag}, {split}: {_reason(error)}') from error


def _as_text(values, class_names) -> list[str | None]:
  """Returns a batch of one column [N] as text."""
  if class_names:
    return [class_names[value] if value >= 0 else None for value in values]
  if values.dtype == object:
    return [value.decode() for value in values]
  # Of the number itself: 4.2 of float32 is not 4.199999809 of float64.
  return [str(value) for value in values]


def _reason(error: Exception) -> str:
  """Returns the first line; hundreds of names may follow."""
  lines = str(error).strip().splitlines() or ['']
  return f'{type(error).__name__}: {lines[0].strip()}'
