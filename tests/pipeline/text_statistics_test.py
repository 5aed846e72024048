"""Numbers and lengths of texts, and the columns of transfer tables."""

import pytest
import tiny_pipeline

from data.tasks import labelled
from pipeline import models, text_statistics
from system.errors import UserError


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tiny_pipeline.make(tmp_path_factory.mktemp('texts'))


def _measure(folder, **changes):
  options = tiny_pipeline.options(folder, **changes)
  data = labelled.read(options.source)
  return text_statistics.measure(
    options.source, data, models.find(options, data)
  )


def test_texts_are_counted_and_measured(folder):
  found = _measure(folder)
  assert found.num == {'train': 128, 'dev': 16, 'test': 16, 'transfer': 168}
  # [CLS], seven words, another one, a number ([UNK]), [SEP].
  assert found.percentile('train') == 11
  assert found.mean_length('train', 5) == 5
  assert found.share_longer(10) == 1.0
  assert found.share_longer(11) == 0.0
  # Unlabelled texts have no number and no further word.
  assert found.mean_length('transfer', 99) == (128 * 11 + 40 * 9) / 168
  assert found.transfer_columns == {}


def test_without_unlabelled_texts_those_of_train_are_left(folder):
  assert _measure(folder, transfer_file=()).num['transfer'] == 128


def test_texts_of_dev_and_test_do_not_count(folder):
  splits = labelled.read(tiny_pipeline.options(folder).source).splits
  held_out = [splits[name][0].text_a for name in ('dev', 'test')]
  path = folder / 'leak.txt'
  path.write_text('\n'.join([*held_out, 'a film that nobody knows']))
  found = _measure(folder, transfer_file=(str(path),))
  assert found.num['transfer'] == 129


def test_the_column_of_the_labelled_table_counts_for_transfer_tables(folder):
  table = folder / 'more.csv'
  table.write_text('id,review\n1,a good film\n2,a bad film\n')
  found = _measure(folder, transfer_file=(str(table),))
  assert found.num['transfer'] == 130
  assert found.transfer_columns == {'transfer_text_column': 'review'}


def test_so_does_the_column_text_that_is_found_without_a_flag(folder):
  table = folder / 'labelled.csv'
  rows = (folder / 'reviews.csv').read_text().splitlines()[1:]
  table.write_text('\n'.join(['text,stars', *rows]) + '\n')
  more = folder / 'more_texts.csv'
  more.write_text('id,text\n1,a good film\n')
  found = _measure(
    folder,
    input_file=str(table),
    text_column=None,
    transfer_file=(str(more),),
  )
  assert found.transfer_columns == {'transfer_text_column': 'text'}


def test_a_column_of_its_own_can_be_named(folder):
  table = folder / 'other.csv'
  table.write_text('id,words\n1,a good film\n')
  found = _measure(
    folder, transfer_file=(str(table),), transfer_text_column='words'
  )
  assert found.transfer_columns == {'transfer_text_column': 'words'}


def test_pairs_among_the_unlabelled_texts_are_refused(folder):
  pairs = folder / 'pairs.txt'
  pairs.write_text('a film\ta plot\n')
  with pytest.raises(UserError, match='`transfer_file` has pairs, the'):
    _measure(folder, transfer_file=(str(pairs),))


def test_gpus_are_hidden_before_tensorflow_runs_an_op(folder, monkeypatch):
  calls = []

  def hide(devices, kind):
    calls.append((devices, kind))
    raise RuntimeError('As if TensorFlow had run an op.')

  class Tokenizer(text_statistics.BertTokenizer):
    def __init__(self, *args):
      calls.append('op')
      super().__init__(*args)

  monkeypatch.setattr(text_statistics.tf.config, 'set_visible_devices', hide)
  monkeypatch.setattr(text_statistics, 'BertTokenizer', Tokenizer)
  assert _measure(folder).num['train'] == 128
  assert calls == [([], 'GPU'), 'op']


def test_a_sample_of_many_texts_is_measured():
  measured = []
  for num in (5000, 5001, 15_000):
    text_statistics._measured(
      [None] * num, lambda own: measured.append(len(own))
    )
  assert measured == [5000, 2501, 5000]


def test_a_transfer_set_within_dev_and_test_is_refused(folder):
  data = labelled.read(tiny_pipeline.options(folder).source)
  with pytest.raises(UserError, match='has no text outside of dev and test'):
    text_statistics._without_held_out(data.splits['dev'], data)
