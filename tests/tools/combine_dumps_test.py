"""A dump made of examples of other dumps."""

import numpy as np
import pytest
import tiny_dump

from system.errors import UserError
from tools import combine_dumps


@pytest.fixture
def dumps(tmp_path):
  tokenizer = tiny_dump.make_tokenizer(tmp_path, tiny_dump.WORDS)
  rows = [
    row._replace(example_id=f'b:{n}') for n, row in enumerate(tiny_dump.ROWS)
  ]
  return [
    tiny_dump.write(
      tmp_path / name,
      tokenizer,
      rows=rows,
      teacher_checksum='one',
      num_held_out=2,
    )
    for name, rows in (('a', tiny_dump.ROWS), ('b', rows))
  ]


def test_a_combined_dump_opens_and_keeps_order_labels_and_logits(
  tmp_path, dumps
):
  target = str(tmp_path / 'both')
  combine_dumps.combine(dumps, [3, 2], target, num_shards=4, seed=1)
  (dump,) = tiny_dump.open_dumps(target)
  rows = list(dump.rows())
  assert [row.example_id for row in rows[:3]] == ['a:1', 'a:2', 'a:3']
  assert [row.example_id for row in rows[3:]] in (
    ['b:0', 'b:1'],
    ['b:0', 'b:2'],
    ['b:1', 'b:2'],
  )
  np.testing.assert_array_equal(
    [row.teacher_logits for row in rows[:3]], tiny_dump.LOGITS
  )
  assert dump.manifest.num_held_out == 4
  assert dump.manifest.num_labelled == sum(x.label is not None for x in rows)
  assert len(dump.manifest.shards) == 4


def test_a_smaller_draw_is_part_of_a_larger_one():
  sets = [
    set(np.flatnonzero(combine_dumps.drawn(100, n, seed=3))) for n in (5, 50)
  ]
  assert len(sets[0]) == 5 and sets[0] < sets[1]


def test_sizes_must_fit_the_dumps(dumps):
  manifests = [dump.manifest for dump in dumps]
  assert combine_dumps.sizes(['all', '2'], manifests) == [3, 2]
  with pytest.raises(UserError, match="'4', expected 'all' or 1 to 3"):
    combine_dumps.sizes(['4', '1'], manifests)
  with pytest.raises(UserError, match="'²', expected 'all' or 1 to 3"):
    combine_dumps.sizes(['²', '1'], manifests)
  assert combine_dumps.sizes(['all'], manifests) == [3, 3]
  with pytest.raises(UserError, match='1 entries, --logits_dir 2'):
    combine_dumps.sizes(['2'], manifests)


def test_dumps_of_other_teachers_are_refused(tmp_path, dumps):
  tokenizer = tiny_dump.make_tokenizer(tmp_path, tiny_dump.WORDS)
  other = tiny_dump.write(tmp_path / 'c', tokenizer)
  with pytest.raises(UserError, match="teacher_checksum: .*/c has 'of c'"):
    combine_dumps.check_alike(
      [dumps[0].folder, other.folder], [dumps[0].manifest, other.manifest]
    )


def test_a_dump_given_twice_is_refused(dumps):
  folder, manifest = dumps[0].folder, dumps[0].manifest
  with pytest.raises(UserError, match='--logits_dir names a dump twice'):
    combine_dumps.check_alike([folder, f'{folder}/.'], [manifest, manifest])
