"""Small data sets of tensorflow-datasets, prepared in a test's folder."""

import pathlib

import tensorflow_datasets as tfds
from tensorflow_datasets.text import glue as released


class _Glue(released.Glue, skip_registration=True):
  """GLUE's features and class names, with rows that the test gives."""

  name = 'glue'

  def __init__(self, rows, **keywords):
    self._rows = rows
    super().__init__(**keywords)

  def _split_generators(self, dl_manager):
    return {split: self._generate_examples(split) for split in self._rows}

  def _generate_examples(self, split):
    for number, row in enumerate(self._rows[split]):
      yield number, {'idx': number, **row}


class _Own(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A user's own data set."""

  name = 'own_texts'
  VERSION = tfds.core.Version('1.0.0')

  def __init__(self, rows, features, **keywords):
    self._rows = rows
    self._features = features
    super().__init__(**keywords)

  def _info(self):
    features = tfds.features.FeaturesDict(self._features)
    return tfds.core.DatasetInfo(builder=self, features=features)

  def _split_generators(self, dl_manager):
    return {split: self._generate_examples(split) for split in self._rows}

  def _generate_examples(self, split):
    yield from enumerate(self._rows[split])


def glue(folder: pathlib.Path, config: str, rows: dict) -> str:
  """Prepares glue/<config>; returns the folder for `data_dir`.

  Args:
    folder: the test's folder.
    config: such as 'mnli'.
    rows: split → rows without `idx`; labels are class names, or -1.
  """
  data_dir = str(folder / 'tfds')
  _Glue(rows, config=config, data_dir=data_dir).download_and_prepare()
  return data_dir


def own_texts(folder: pathlib.Path, rows: dict, **features) -> str:
  """Prepares 'own_texts'; returns the folder for `data_dir`.

  Args:
    folder: the test's folder.
    rows: split → rows.
    **features: the features of columns that are not text.
  """
  columns = next(iter(rows.values()))[0]
  text = tfds.features.Text()
  features = {name: features.get(name, text) for name in columns}
  data_dir = str(folder / 'tfds')
  _Own(rows, features, data_dir=data_dir).download_and_prepare()
  return data_dir
