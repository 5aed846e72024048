"""A transfer set: its sources, the held-out texts, and drawing subsets."""

import pytest
import tiny_tfds

from data.tasks import glue
from data.tasks.text_rows import TextColumns
from distillation import transfer_set
from distillation.transfer_options import TransferOptions
from distillation.transfer_text import Text
from system.errors import UserError


def _texts(name, count):
  return [Text(f'{name}:{i}', f'{name} {i}', None) for i in range(count)]


def _ids(groups):
  return [text.example_id for group in groups for text in group]


def test_each_source_has_the_share_of_its_weight_and_no_text_repeats():
  groups = [_texts('a', 100), _texts('b', 10)]
  taken = transfer_set.draw(groups, (2, 1), None, seed=0)
  # The smaller one is used up: 10 of b go with 20 of a.
  assert [len(group) for group in taken] == [20, 10]
  assert len(set(_ids(taken))) == 30
  assert transfer_set.draw(groups, (2, 1), None, seed=1) != taken


@pytest.mark.parametrize('count', [3, 6, 12, 29])
def test_a_smaller_draw_has_the_shares_and_is_part_of_a_larger_one(count):
  groups = [_texts('a', 100), _texts('b', 10)]
  small, large = (
    transfer_set.draw(groups, (2, 1), n, seed=5) for n in (count, count + 1)
  )
  assert abs(len(small[0]) - 2 * count / 3) < 1
  assert len(_ids(small)) == count
  assert set(_ids(small)) < set(_ids(large))


def test_drawn_texts_keep_their_order():
  (taken,) = transfer_set.draw([_texts('a', 50)], (1,), 20, seed=3)
  numbers = [int(text.example_id[2:]) for text in taken]
  assert numbers == sorted(numbers)
  assert numbers != list(range(20))


@pytest.fixture
def sst2(tmp_path):
  """SST-2 with two training sentences, and two files of text."""
  (tmp_path / 'train.tsv').write_text('sentence\tlabel\nOne\t1\nTwo\t0\n')
  (tmp_path / 'dev.tsv').write_text('sentence\tlabel\nThree\t1\n')
  (tmp_path / 'a.txt').write_text('a 1\nt hree\na 2\n')
  (tmp_path / 'b.txt').write_text('b 1\n')
  return tmp_path


def _make(folder, tfds_dir=None, **sources):
  return transfer_set.make(
    glue.get_task('SST-2'),
    str(folder),
    TransferOptions(**sources),
    TextColumns(('sentence',)),
    tfds_dir,
  )


def test_a_splits_texts_have_labels_and_held_out_texts_are_counted(sst2):
  made = _make(sst2, transfer_file=(f'{sst2}/a.txt',), transfer_split='train')
  assert made.num_held_out == 1
  assert made.texts == [
    ('a.txt:1', 'a 1', None, None),
    ('a.txt:3', 'a 2', None, None),
    ('train:0', 'One', None, '1'),
    ('train:1', 'Two', None, '0'),
  ]
  assert made.checksum() != _make(sst2, transfer_split='train').checksum()


def test_subsets_of_a_count_are_nested_and_seeded(sst2):
  sources = {
    'transfer_file': (f'{sst2}/a.txt', f'{sst2}/b.txt'),
    'transfer_split': 'train',
  }
  subsets = [
    {
      x.example_id
      for x in _make(sst2, **sources, max_transfer_examples=n).texts
    }
    for n in (1, 2, 3, 4, 5, 9)
  ]
  assert [len(subset) for subset in subsets] == [1, 2, 3, 4, 5, 5]
  for small, large in zip(subsets, subsets[1:], strict=False):
    assert small <= large
  others = [
    {
      x.example_id
      for x in _make(
        sst2, **sources, max_transfer_examples=2, transfer_seed=s
      ).texts
    }
    for s in range(5)
  ]
  assert any(other != subsets[1] for other in others)


def test_weights_give_each_file_its_share(sst2):
  made = _make(
    sst2,
    transfer_file=(f'{sst2}/a.txt', f'{sst2}/b.txt'),
    transfer_weights=('1', '1'),
  )
  assert [text.text_a[0] for text in made.texts] == ['a', 'b']


@pytest.mark.parametrize(
  ('sources', 'message'),
  [
    (
      {'transfer_file': ('a', 'b'), 'transfer_weights': ('1',)},
      'has 1 numbers.*2 sources: a, b',
    ),
    (
      {'transfer_file': ('a',), 'transfer_weights': ('0',)},
      'must all be above 0',
    ),
    (
      {'transfer_tfds': 'imdb'},
      '`transfer_tfds`=imdb: expected name:split:column',
    ),
    ({'transfer_tfds': 'imdb:train:a+b+c'}, 'one or two columns, got 3'),
  ],
)
def test_wrong_sources_are_refused(sources, message):
  with pytest.raises(UserError, match=message):
    TransferOptions(**sources).check()


def test_a_source_with_no_text_outside_of_dev_is_refused(sst2):
  (sst2 / 'a.txt').write_text('three\n')
  with pytest.raises(UserError, match='no text outside of dev and test'):
    _make(sst2, transfer_file=(f'{sst2}/a.txt',))
  with pytest.raises(UserError, match='a.txt has no text outside of dev'):
    _make(
      sst2,
      transfer_file=(f'{sst2}/a.txt', f'{sst2}/b.txt'),
      transfer_weights=('1', '1'),
    )


@pytest.mark.parametrize(
  ('spec', 'parts'),
  [
    ('glue/sst2:train:sentence', ('glue/sst2', 'train', ['sentence'])),
    (
      'glue/mnli:1.0.0:train[:10%]:premise+hypothesis',
      ('glue/mnli:1.0.0', 'train[:10%]', ['premise', 'hypothesis']),
    ),
  ],
)
def test_names_of_tensorflow_datasets_are_split(spec, parts):
  assert TransferOptions(transfer_tfds=spec).tfds_parts() == parts


def test_text_comes_from_tensorflow_datasets(sst2):
  folder = tiny_tfds.own_texts(
    sst2,
    {
      'train': [
        *({'a': 'x 1', 'b': 'y 1'}, {'a': 'x 2', 'b': 'y 2'}),
        *({'a': ' ', 'b': ''}, {'a': ' ', 'b': 'y 3'}),  # Left out.
      ]
    },
  )
  made = _make(sst2, folder, transfer_tfds='own_texts:train:a')
  assert sorted((t.text_a, t.text_b) for t in made.texts) == [
    ('x 1', None),
    ('x 2', None),
  ]
  assert {t.example_id for t in made.texts} < {
    f'own_texts:train:{number}' for number in range(4)
  }
  options = TransferOptions(transfer_tfds='own_texts:train:a+b')
  pairs = transfer_set._read_tfds(options, folder)
  assert sorted((t.text_a, t.text_b) for t in pairs) == [
    ('x 1', 'y 1'),
    ('x 2', 'y 2'),
  ]
  with pytest.raises(UserError, match="'c' is not a text column; .* are a, b"):
    _make(sst2, folder, transfer_tfds='own_texts:train:c')
  with pytest.raises(UserError, match='own_texts:dev:a, dev: .*Unknown split'):
    _make(sst2, folder, transfer_tfds='own_texts:dev:a')


def test_an_unknown_set_of_tensorflow_datasets_is_named(sst2):
  with pytest.raises(UserError, match='`transfer_tfds`=no_such_set:train:x'):
    _make(sst2, transfer_tfds='no_such_set:train:x')


def test_pairs_of_dev_are_left_out_in_either_order(tmp_path):
  header = 'sentence1\tsentence2\tscore\n'
  for split, row in (('train', 'One\tTwo'), ('dev', 'Three\tFour')):
    (tmp_path / f'{split}.tsv').write_text(f'{header}{row}\t1.5\n')
  (tmp_path / 'a.txt').write_text('four\tthree\nfive\tthree\n')
  made = transfer_set.make(
    glue.get_task('STS-B'),
    str(tmp_path),
    TransferOptions(transfer_file=(f'{tmp_path}/a.txt',)),
    TextColumns(('sentence1', 'sentence2')),
  )
  assert made.texts == [('a.txt:2', 'five', 'three', None)]
  assert made.num_held_out == 1
