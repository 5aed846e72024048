"""A teacher's dump: its shards, its manifest, and opening it.

Tests `distillation/logits_dump.py`, `dump_manifest.py` and `dump_shards.py`.
"""

import dataclasses
import pathlib

import numpy as np
import pytest
import tiny_dump

from data.records import record_reader, record_writer
from data.tasks import glue
from distillation import dump_manifest, dump_shards, logits_dump
from distillation.dump_manifest import Origin
from system import files
from system.errors import UserError


@pytest.fixture
def tokenizer(tmp_path):
  return tiny_dump.make_tokenizer(tmp_path, tiny_dump.WORDS)


def test_rows_are_read_as_they_were_written(tmp_path, tokenizer):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer)
  for row, expected, logits in zip(
    dump.rows(), tiny_dump.ROWS, tiny_dump.LOGITS, strict=True
  ):
    assert row.example_id == expected.example_id
    assert row.input_ids.tolist() == expected.input_ids.tolist()
    assert row.label == expected.label
    assert (row.text_a, row.text_b) == (expected.text_a, None)
    np.testing.assert_array_equal(row.teacher_logits, logits)


def test_a_complete_dump_is_opened(tmp_path, tokenizer):
  origin = Origin('t/model.ckpt-1', '01', {'eval_accuracy': 0.5}, 3)
  dump = tiny_dump.write(tmp_path / 'a', tokenizer, merged_from=[origin])
  assert tiny_dump.open_dumps(tmp_path / 'a') == [dump]


def _double_rows(path):
  rows = [*dump_shards.read(str(path))] * 2
  dump_shards.write(str(path), rows, is_regression=False)


@pytest.mark.parametrize(
  ('damage', 'message'),
  [
    (
      _double_rows,
      'logits-00000-of-00002 does not match .* it has 2 examples in .* 1 ',
    ),
    (
      tiny_dump.rewrite_shard,
      'logits-00000-of-00002 does not match .* it has 1 examples in .* 1 ',
    ),
    (pathlib.Path.unlink, 'there is no file .*a/logits-00000-of-00002'),
  ],
)
def test_a_changed_or_missing_shard_is_named(
  tmp_path, tokenizer, damage, message
):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer)
  tiny_dump.open_dumps(tmp_path / 'a')
  damage(pathlib.Path(dump.paths[0]))
  with pytest.raises(UserError, match=message):
    tiny_dump.open_dumps(tmp_path / 'a')


def test_dumps_of_one_teacher_are_refused(tmp_path, tokenizer):
  tiny_dump.write(tmp_path / 'a', tokenizer)
  tiny_dump.write(tmp_path / 'b', tokenizer)
  tiny_dump.write(tmp_path / 'c', tokenizer, teacher_checksum='of a')
  assert len(tiny_dump.open_dumps(tmp_path / 'a', tmp_path / 'b')) == 2
  with pytest.raises(UserError, match='names the dump .*/a twice'):
    tiny_dump.open_dumps(tmp_path / 'a', tmp_path / 'b', f'{tmp_path}/b/../a/')
  with pytest.raises(
    UserError,
    match='/a and .*/c are from the same teacher, teacher/model.ckpt-1',
  ):
    tiny_dump.open_dumps(tmp_path / 'a', tmp_path / 'b', tmp_path / 'c')


def test_dumps_of_different_sizes_are_refused(tmp_path, tokenizer):
  tiny_dump.write(tmp_path / 'a', tokenizer)
  rows = [*tiny_dump.ROWS, tiny_dump.ROWS[0]]
  logits = np.concatenate([tiny_dump.LOGITS, tiny_dump.LOGITS[:1]])
  tiny_dump.write(tmp_path / 'b', tokenizer, logits, rows, num_examples=4)
  with pytest.raises(UserError, match='/a has 3 examples, .*/b has 4'):
    tiny_dump.open_dumps(tmp_path / 'a', tmp_path / 'b')


def test_undefined_scores_of_the_teacher_are_left_out(tmp_path, tokenizer):
  scores = {'eval_accuracy': 0.5, 'eval_auc': float('nan')}
  tiny_dump.write(tmp_path / 'a', tokenizer, teacher_scores=scores)
  (dump,) = tiny_dump.open_dumps(tmp_path / 'a')
  assert dump.manifest.teacher_scores == {'eval_accuracy': 0.5}


def test_damaged_dev_logits_are_not_used(tmp_path, caplog):
  logits_dump.write_dev_logits(str(tmp_path), tiny_dump.LOGITS)
  whole = (tmp_path / 'dev_logits.npy').read_bytes()
  read = logits_dump.read_dev_logits(str(tmp_path), (3, 2))
  np.testing.assert_array_equal(read, tiny_dump.LOGITS)
  for content in (whole[:-1], whole[:9], b'', b'PK' + whole[2:]):
    (tmp_path / 'dev_logits.npy').write_bytes(content)
    caplog.clear()
    assert logits_dump.read_dev_logits(str(tmp_path), (3, 2)) is None
    assert 'dev_logits.npy is damaged' in caplog.text


def test_dev_logits_of_another_shape_are_not_used(tmp_path, caplog):
  logits_dump.write_dev_logits(str(tmp_path), tiny_dump.LOGITS)
  assert logits_dump.read_dev_logits(str(tmp_path), (4, 2)) is None
  assert 'found float32 [3, 2], expected float32 [4, 2]' in caplog.text
  logits_dump.write_dev_logits(str(tmp_path), np.zeros([4, 2]))
  assert logits_dump.read_dev_logits(str(tmp_path), (4, 2)) is None
  assert 'found float64 [4, 2], expected float32 [4, 2]' in caplog.text
  logits_dump.write_dev_logits(str(tmp_path), tiny_dump.LOGITS * np.nan)
  assert logits_dump.read_dev_logits(str(tmp_path), (3, 2)) is None
  assert 'found NaN or infinity, expected finite numbers' in caplog.text


def test_a_missing_label_of_regression_differs_from_zero(tmp_path):
  path = str(tmp_path / 'logits')
  rows = [
    row._replace(teacher_logits=np.float32([1.5]), label=label)
    for row, label in zip(tiny_dump.ROWS, (0.0, None, 2.5), strict=True)
  ]
  dump_shards.write(path, rows, is_regression=True)
  read = [row.label for row in dump_shards.read(path)]
  assert read == [0.0, None, 2.5]


def test_training_reads_labels_if_asked_to(tmp_path, tokenizer):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer)
  source = dump.source(glue.get_task('SST-2'), 8, with_labels=True)
  raw = [*record_reader.read(dump.paths[0]), *record_reader.read(dump.paths[1])]
  batch = source.parse(raw)
  assert batch['label_ids'].numpy().tolist() == [1, -1, 0]
  assert batch['teacher_logits'].numpy().tolist() == tiny_dump.LOGITS.tolist()
  plain = dump.source(glue.get_task('SST-2'), 8).parse(raw)
  assert 'label_ids' not in plain


@pytest.mark.parametrize(
  ('shard', 'message'),
  [
    (
      {'name': '../logits-00000-of-00002'},
      "'../logits.* is not the name of a shard",
    ),
    ({'name': '/tmp/logits-00000-of-00002'}, 'is not the name of a shard'),
    ({'name': 'run.json'}, "'run.json' is not the name of a shard"),
    ({'name': 3}, 'name is 3'),
    ({'num_examples': '3'}, "num_examples is '3'"),
  ],
)
def test_a_manifest_that_names_other_files_is_refused(
  tmp_path, tokenizer, shard, message
):
  dump = tiny_dump.write(tmp_path / 'dump', tokenizer)
  path = f'{dump.folder}/manifest.json'
  values = files.read_json(path)
  values['shards'][0] |= shard
  files.write_json(path, values)
  with pytest.raises(UserError, match=f"not a dump's manifest: .*{message}"):
    dump_manifest.read(dump.folder)


@pytest.mark.parametrize(
  'changes',
  [
    {'max_seq_length': '8'},
    {'labels': 'ab'},
    {'shards': [1]},
    {'merged_from': [[]]},
    {'labels': [0, 1]},
    {'labels': ['0', '0']},
    {'num_held_out': -1},
    {'num_held_out': True},
    {'teacher_scores': {'eval_accuracy': 'good'}},
    {'merged_from': [['t', '0', {}, -1]]},
  ],
)
def test_a_manifest_with_values_of_other_types_is_refused(
  tmp_path, tokenizer, changes
):
  dump = tiny_dump.write(tmp_path / 'dump', tokenizer)
  path = f'{dump.folder}/manifest.json'
  values = files.read_json(path)
  files.write_json(path, {**values, **changes})
  with pytest.raises(UserError, match="is not a dump's manifest"):
    dump_manifest.read(dump.folder)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'num_examples': 1}, 'num_examples is 1, its shards have 3, expected'),
    ({'num_examples': 4}, 'num_examples is 4, its shards have 3, expected'),
    ({'shards': []}, 'it names no shard'),
    ({'num_labelled': 4}, 'num_labelled is 4'),
    ({'num_labelled': -1}, 'num_labelled is -1'),
    ({'vocab_size': 0}, 'vocab_size is 0'),
    ({'max_seq_length': -8}, 'max_seq_length is -8'),
  ],
)
def test_a_manifest_that_contradicts_its_shards_is_refused(
  tmp_path, tokenizer, changes, message
):
  dump = tiny_dump.write(tmp_path / 'dump', tokenizer)
  path = f'{dump.folder}/manifest.json'
  files.write_json(path, {**files.read_json(path), **changes})
  with pytest.raises(UserError, match=f"not a dump's manifest: {message}"):
    tiny_dump.open_dumps(tmp_path / 'dump')


def test_a_manifest_that_names_a_shard_twice_is_refused(tmp_path, tokenizer):
  dump = tiny_dump.write(tmp_path / 'dump', tokenizer)
  path = f'{dump.folder}/manifest.json'
  values = files.read_json(path)
  values['shards'] = values['shards'][:1] * 2
  values['num_examples'] = 2
  files.write_json(path, values)
  with pytest.raises(UserError, match='it names a shard twice'):
    tiny_dump.open_dumps(tmp_path / 'dump')


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      {'max_seq_length': 3},
      '00001-of-00002, record 1: found 4 tokens, expected 1 to 3 .max_seq_leng',
    ),
    (
      {'vocab_size': 7},
      '00001-of-00002, record 1: found the token ids 2 to 7, expected 0 to 6 ',
    ),
    ({'labels': ['0', '1', '2']}, 'record 0: found 2 logits, expected 3'),
    (
      {'num_labelled': 3},
      'a/manifest.json: num_labelled is 3, but 2 examples of the shards have',
    ),
    ({'num_labelled': 1}, 'num_labelled is 1, but 2 examples of the shards'),
  ],
)
def test_rows_that_contradict_the_manifest_are_named(
  tmp_path, tokenizer, changes, message
):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer)
  assert len([*dump.rows()]) == 3
  manifest = dataclasses.replace(dump.manifest, **changes)
  with pytest.raises(UserError, match=message):
    list(logits_dump.Dump(dump.folder, manifest).rows())


def test_labels_are_counted(tmp_path, tokenizer):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer)
  task = glue.get_task('SST-2')
  dump.check_labels(task)
  manifest = dataclasses.replace(dump.manifest, num_labelled=3)
  with pytest.raises(UserError, match='num_labelled is 3, but 2 examples'):
    logits_dump.Dump(dump.folder, manifest).check_labels(task)
  assert dump_shards.count_labelled(dump.paths[0], False) == 1
  with pytest.raises(UserError, match='no label of the type float32'):
    dump_shards.count_labelled(dump.paths[0], True)
  path = f'{dump.folder}/numbers'
  rows = [
    row._replace(teacher_logits=np.float32([1.5]), label=label)
    for row, label in zip(tiny_dump.ROWS, (0.0, None, -2.5), strict=True)
  ]
  dump_shards.write(path, rows, is_regression=True)
  assert dump_shards.count_labelled(path, True) == 2


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ([b'\xff'], 'record 0: not a record of a dump'),
    ([b''], 'record 0: found 0 logits, expected 2'),
    ([None, None], 'has 2 examples, expected 1 as in manifest.json'),
  ],
  ids=['no example', 'no logits', 'twice'],
)
def test_records_of_anything_else_are_named(
  tmp_path, tokenizer, content, message
):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer)
  (own,) = record_reader.read(dump.paths[0])
  with record_writer.RecordWriter(dump.paths[0]) as writer:
    for raw in content:
      writer.write(own if raw is None else raw)
  with pytest.raises(UserError, match=f'logits-00000-of-00002.*{message}'):
    list(dump.rows())
