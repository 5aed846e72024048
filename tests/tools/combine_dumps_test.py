"""A dump made of examples of other dumps."""

import dataclasses
import os
import types

import numpy as np
import pytest
import tiny_dump

from distillation import dump_manifest, dump_shards, logits_dump
from system.errors import UserError
from tools import combine_dumps
from training import output_folder_check, run_folder


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


def test_a_combined_dump_has_the_longest_inputs_and_the_logits_on_dev(
  tmp_path, dumps
):
  manifests = [dump.manifest for dump in dumps]
  longer = dataclasses.replace(manifests[1], max_seq_length=9)
  dumps[1] = dataclasses.replace(dumps[1], manifest=longer)
  logits_dump.write_dev_logits(dumps[0].folder, tiny_dump.LOGITS)
  target = str(tmp_path / 'both')
  combine_dumps.combine(dumps, [3, 3], target, num_shards=16, seed=1)
  found = dump_manifest.read(target)
  assert found.max_seq_length == 9
  # No file is empty.
  assert [shard.num_examples for shard in found.shards] == [1] * 6
  dev_logits = logits_dump.read_dev_logits(target, (3, 2))
  np.testing.assert_array_equal(dev_logits, tiny_dump.LOGITS)
  assert (tmp_path / 'both' / 'labels.txt').read_text() == '0\n1\n'


def test_an_unknown_number_of_held_out_texts_stays_unknown(tmp_path, dumps):
  merged = dataclasses.replace(dumps[1].manifest, num_held_out=None)
  dumps[1] = dataclasses.replace(dumps[1], manifest=merged)
  combine_dumps.combine(dumps, [1, 1], str(tmp_path / 'both'), 1, seed=1)
  assert dump_manifest.read(str(tmp_path / 'both')).num_held_out is None


def test_labels_of_regression_are_numbers(tmp_path):
  tokenizer = tiny_dump.make_tokenizer(tmp_path, tiny_dump.WORDS)
  numbers = {'logits': tiny_dump.LOGITS[:, :1], 'labels': []}
  dump = tiny_dump.write(tmp_path / 'a', tokenizer, **numbers)
  target = str(tmp_path / 'b')
  combine_dumps.combine([dump], [3], target, num_shards=1, seed=1)
  (path,) = dump_shards.paths(target, 1)
  assert dump_shards.count_labelled(path, is_regression=True) == 2


@pytest.mark.parametrize(
  ('name', 'value'),
  [
    *[('task', 'CoLA'), ('labels', ['1', '0']), ('vocabulary', 'x')],
    *[('do_lower_case', False), ('keeps_text', False), ('dev_split', 'x')],
    *[('cls_layers', [1]), ('cls_size', 2)],
    ('merged_from', [dump_manifest.Origin('t', '0', {}, 1)]),
  ],
)
def test_dumps_that_differ_in_more_than_their_texts_are_refused(
  dumps, name, value
):
  manifest = dumps[0].manifest
  other = dataclasses.replace(manifest, **{name: value})
  with pytest.raises(UserError, match=f'the dumps differ in {name}: b has '):
    combine_dumps.check_alike(['a', 'b'], [manifest, other])


def _main(monkeypatch, *folders, **changes):
  values = {'logits_dir': folders, 'num_examples': ['all'], 'seed': 1}
  values |= {'num_logits_shards': 2, **changes}
  flags = types.SimpleNamespace(**values)
  monkeypatch.setattr(combine_dumps, 'FLAGS', flags)
  monkeypatch.setattr(combine_dumps.flag_group, 'require', lambda *_: None)
  combine_dumps.main([])


def test_the_tool_refuses_what_it_must_not_combine(
  tmp_path, dumps, monkeypatch
):
  folders = [dump.folder for dump in dumps]
  run, both = str(tmp_path / 'run'), str(tmp_path / 'both')
  tokenizer = tiny_dump.make_tokenizer(tmp_path, tiny_dump.WORDS)
  other = tiny_dump.write(tmp_path / 'c', tokenizer)
  with pytest.raises(UserError, match='the dumps differ in teacher_checksum'):
    _main(monkeypatch, folders[0], other.folder, output_dir=both)
  # Another command makes a dump there.
  run_folder.claim(run, {'script': output_folder_check.DUMP_SCRIPT}, False)
  with pytest.raises(UserError, match='output_dir=.*/run is the folder of a r'):
    _main(monkeypatch, *folders, output_dir=run)
  _main(monkeypatch, *folders, output_dir=both)
  with pytest.raises(UserError, match='output_dir=.*/both holds a dump alread'):
    _main(monkeypatch, *folders, output_dir=both)
  tiny_dump.rewrite_shard(dumps[1].paths[0])
  new = str(tmp_path / 'new')
  with pytest.raises(UserError, match='00000-of-00002 does not match manifest'):
    _main(monkeypatch, *folders, output_dir=new)
  assert not os.path.exists(new)
