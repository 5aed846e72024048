"""Reader of tensorflow-datasets, for tasks, transfer sets and corpora.

It imports TensorFlow and tensorflow-datasets when it opens a data set: few runs
need them.

Tested by `tests/data/text/tfds_text_test.py` and
`tests/data/tasks/tfds_splits_test.py`.
"""

from collections.abc import Iterator, Sequence

from system.errors import UserError

_BATCH_ROWS = 1000
# Fewer, because a text may be a book.
_BATCH_TEXTS = 64


class TfdsSource:
  """A data set, downloaded and prepared."""

  def __init__(self, name: str, data_dir: str | None, flag: str):
    """Finds the data set; downloads it if it is not in `data_dir`.

    Args:
      name: 'name', 'name/config' or 'name/config:version'.
      data_dir: the folder where tensorflow-datasets keeps its data; None for
        its default, ~/tensorflow_datasets.
      flag: the beginning of messages: the setting that names the data set.

    Raises:
      UserError: the data set does not exist, or cannot be downloaded.
    """
    import tensorflow_datasets as tfds

    self._flag = flag
    try:
      self._builder = tfds.builder(name, data_dir=data_dir)
      self._builder.download_and_prepare()
    # For unknown names or without a network, it raises exceptions of many
    # modules.
    except Exception as error:
      raise UserError(f'{flag}: {_reason(error)}') from error

  def split_names(self) -> list[str]:
    """Returns the names of the splits."""
    return list(self._builder.info.splits)

  def num_examples(self, split: str) -> int:
    """Returns the number of examples of a split, or of a part of one.

    Raises:
      UserError: the split does not exist.
    """
    return self._split(split).num_examples

  def shards(self, split: str) -> list[str]:
    """Returns the names of a split's files, 'train[0shard]', in order.

    A sum, 'train+test', gives the files of each. A part of a split, and 'all',
    are returned as they are.

    Raises:
      UserError: the split does not exist.
    """
    shards = []
    for term in split.split('+'):
      num_shards = self._split(term).num_shards
      if '[' in term or term == 'all':
        shards.append(term)
      else:
        shards += [f'{term}[{shard}shard]' for shard in range(num_shards)]
    return shards

  def _split(self, split: str):
    try:
      return self._builder.info.splits[split]
    except (KeyError, ValueError, NotImplementedError) as error:
      raise UserError(f'{self._flag}, {split}: {_reason(error)}') from error

  def class_names(self, column: str) -> tuple[str, ...] | None:
    """Returns the names of a label's classes, or None if it has none."""
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
      split: a split's name, or a part of one: 'train[:10%]'.
      texts: the text columns to read.
      others: further columns to read if they exist: numbers, classes or text.
        A class is given by its name, and left out if it is -1; a number is
        given as `str` writes it.

    Raises:
      UserError: the split or a text column does not exist, or the data is
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
    for batch in self._batches(split, [column], [column], _BATCH_TEXTS):
      yield from batch[column]

  def _batches(
    self,
    split: str,
    texts: Sequence[str],
    names: Sequence[str],
    size: int = _BATCH_ROWS,
  ) -> Iterator[dict]:
    """Checks the text columns, then yields batches of columns, NumPy [N]."""
    import tensorflow as tf

    features = self._builder.info.features
    for name in texts:
      if name not in features or features[name].tf_dtype != tf.string:
        raise UserError(
          f'{self._flag}: {name!r} is not a text column; the columns are '
          f'{", ".join(sorted(features))}'
        )
    try:
      rows = self._builder.as_dataset(split=split)
      rows = rows.map(lambda row: {name: row[name] for name in names})
      yield from rows.batch(size).as_numpy_iterator()
    except (ValueError, tf.errors.OpError) as error:
      raise UserError(f'{self._flag}, {split}: {_reason(error)}') from error


def _as_text(values, class_names) -> list[str | None]:
  """Returns a batch of one column, [N], as text; None for an unknown class."""
  if class_names:
    return [class_names[value] if value >= 0 else None for value in values]
  if values.dtype == object:
    return [value.decode() for value in values]
  # Don't convert to Python's numbers first: float32 4.2 would become
  # 4.199999809.
  return [str(value) for value in values]


def _reason(error: Exception) -> str:
  """Returns an error's type and first line; hundreds of names may follow."""
  lines = str(error).strip().splitlines() or ['']
  return f'{type(error).__name__}: {lines[0].strip()}'
