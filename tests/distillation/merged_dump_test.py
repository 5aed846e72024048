"""Tests of distillation/merged_dump.py and distillation/logits_dump.py."""

import dataclasses
import math
import pathlib

import numpy as np
import pytest

from data.records import record_index, record_reader
from data.tasks import glue
from data.text.tokenization import BertTokenizer
from distillation import logits_dump, merged_dump
from distillation.logits_dump import Dump, Manifest, Row
from system import temporary_files
from system.errors import UserError

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'good', 'bad', 'film']
MANIFEST = Manifest(
  task='SST-2',
  labels=['0', '1'],
  teacher='teacher/model.ckpt-1',
  teacher_checksum='00',
  teacher_scores={},
  vocabulary='',
  vocab_size=len(WORDS),
  do_lower_case=True,
  max_seq_length=8,
  num_examples=3,
  num_held_out=0,
  shards=[],
)
ROWS = [
  Row('a:1', np.array([2, 5, 3]), np.zeros(3, int), None, 1, 'good', None),
  Row('a:2', np.array([2, 6, 3]), np.zeros(3, int), None, None, 'bad', None),
  Row('a:3', np.array([2, 7, 6, 3]), np.zeros(4, int), None, 0, 'film bad'),
]
LOGITS = np.float32([[0, 1], [2, 0], [0, 0]])


@pytest.fixture
def tokenizer(tmp_path):
  return _tokenizer(tmp_path, WORDS)


def _tokenizer(folder, words):
  path = folder / f'vocab-{words[-1]}.txt'
  path.write_text('\n'.join(words) + '\n')
  return BertTokenizer(str(path), True)


def _write(folder, tokenizer, logits, rows=ROWS, num_shards=2, **changes):
  """Writes a dump of three rows in two shards."""
  folder.mkdir()
  rows = [
    row._replace(teacher_logits=values)
    for row, values in zip(rows, logits, strict=True)
  ]
  paths = logits_dump.shard_paths(str(folder), num_shards)
  for path, part in zip(paths, (rows[:1], rows[1:]), strict=True):
    logits_dump.write_shard(path, part, is_regression=False)
  manifest = dataclasses.replace(
    MANIFEST,
    vocabulary=tokenizer.vocab_checksum,
    keeps_text=rows[0].text_a is not None,
    num_labelled=2,
    shards=[logits_dump.describe_shard(path) for path in paths],
    **{'teacher_checksum': f'of {folder.name}', **changes},
  )
  logits_dump.write_manifest(str(folder), manifest)
  return Dump(str(folder), manifest)


def _student(tokenizer, max_seq_length=8, task='SST-2'):
  return merged_dump.Student(glue.get_task(task), tokenizer, max_seq_length)


def _without_text(rows):
  return [row._replace(text_a=None, text_b=None) for row in rows]


def _make(dumps, tokenizer, folder, temperature=1.0, **student):
  student = _student(tokenizer, **student)
  assert merged_dump.check(dumps, student)
  prints = [dump.folder for dump in dumps]
  return merged_dump.make(dumps, prints, student, temperature, str(folder))


def test_rows_are_read_as_they_were_written(tmp_path, tokenizer):
  dump = _write(tmp_path / 'a', tokenizer, LOGITS)
  for row, expected, logits in zip(dump.rows(), ROWS, LOGITS, strict=True):
    assert row.example_id == expected.example_id
    assert row.input_ids.tolist() == expected.input_ids.tolist()
    assert row.label == expected.label
    assert (row.text_a, row.text_b) == (expected.text_a, None)
    np.testing.assert_array_equal(row.teacher_logits, logits)


def test_a_manifest_is_read_as_it_was_written(tmp_path, tokenizer):
  origin = logits_dump.Origin('t/model.ckpt-1', '01', {'eval_accuracy': 0.5}, 3)
  dump = _write(tmp_path / 'a', tokenizer, LOGITS, merged_from=[origin])
  assert _open(tmp_path / 'a') == [dump]


def _open(*folders):
  return logits_dump.open_dumps(map(str, folders), glue.get_task('SST-2'))


def _rewrite(path):
  """Replaces a shard by one of the same size."""
  (row, *_) = logits_dump.read_shard(str(path))
  row = row._replace(teacher_logits=row.teacher_logits + 1)
  logits_dump.write_shard(str(path), [row], is_regression=False)


def _append(path):
  rows = [*logits_dump.read_shard(str(path))] * 2
  logits_dump.write_shard(str(path), rows, is_regression=False)


@pytest.mark.parametrize(
  ('damage', 'message'),
  [
    (
      _append,
      'logits-00000-of-00002 is not what .* it has 2 examples in .* 1 ',
    ),
    (
      _rewrite,
      'logits-00000-of-00002 is not what .* it has 1 examples in .* 1 ',
    ),
    (pathlib.Path.unlink, 'there is no file .*a/logits-00000-of-00002'),
  ],
)
def test_a_shard_that_is_not_the_manifests_is_named(
  tmp_path, tokenizer, damage, message
):
  dump = _write(tmp_path / 'a', tokenizer, LOGITS)
  _open(tmp_path / 'a')
  damage(pathlib.Path(dump.paths[0]))
  with pytest.raises(UserError, match=message):
    _open(tmp_path / 'a')


def test_dumps_of_one_teacher_are_refused(tmp_path, tokenizer):
  _write(tmp_path / 'a', tokenizer, LOGITS)
  _write(tmp_path / 'b', tokenizer, LOGITS)
  _write(tmp_path / 'c', tokenizer, LOGITS, teacher_checksum='of a')
  assert len(_open(tmp_path / 'a', tmp_path / 'b')) == 2
  with pytest.raises(UserError, match='names the dump .*/a twice'):
    _open(tmp_path / 'a', tmp_path / 'b', f'{tmp_path}/b/../a/')
  with pytest.raises(
    UserError, match='/a and .*/c are of the same teacher, teacher/model.ckpt-1'
  ):
    _open(tmp_path / 'a', tmp_path / 'b', tmp_path / 'c')


def test_a_merged_dump_tells_all_its_teachers(tmp_path, tokenizer):
  dumps = [
    _write(
      tmp_path / name,
      tokenizer,
      LOGITS,
      teacher=name,
      teacher_scores={'eval_accuracy': score},
      num_held_out=number,
    )
    for name, score, number in (('a', 0.5, 1), ('b', 0.75, 2))
  ]
  merged = _make(dumps, tokenizer, tmp_path / 'merged').manifest
  assert (merged.teacher, merged.teacher_checksum) == ('', '')
  assert (merged.teacher_scores, merged.num_held_out) == ({}, None)
  assert merged.merged_from == [
    logits_dump.Origin('a', 'of a', {'eval_accuracy': 0.5}, 1),
    logits_dump.Origin('b', 'of b', {'eval_accuracy': 0.75}, 2),
  ]
  assert logits_dump.read_manifest(str(tmp_path / 'merged')) == merged
  # It is no other teacher than those.
  with pytest.raises(UserError, match='/merged and .*/b are of the same teach'):
    _open(tmp_path / 'merged', tmp_path / 'b')


def test_a_merged_dump_that_was_changed_is_made_again(
  tmp_path, tokenizer, caplog
):
  dumps = [_write(tmp_path / name, tokenizer, LOGITS) for name in 'ab']
  own = _make(dumps, tokenizer, tmp_path / 'own')
  shard = pathlib.Path(own.paths[0])
  before = shard.read_bytes()
  _rewrite(shard)
  assert _make(dumps, tokenizer, tmp_path / 'own') == own
  assert 'own/logits-00000-of-00002 is not what' in caplog.text
  assert shard.read_bytes() == before


def test_damaged_dev_logits_are_not_used(tmp_path, caplog):
  logits_dump.write_dev_logits(str(tmp_path), LOGITS)
  whole = (tmp_path / 'dev_logits.npy').read_bytes()
  read = logits_dump.read_dev_logits(str(tmp_path))
  np.testing.assert_array_equal(read, LOGITS)
  for content in (whole[:-1], whole[:9], b'', b'PK' + whole[2:]):
    (tmp_path / 'dev_logits.npy').write_bytes(content)
    caplog.clear()
    assert logits_dump.read_dev_logits(str(tmp_path)) is None
    assert 'dev_logits.npy is damaged' in caplog.text


def test_a_manifest_without_the_newer_keys_is_read(tmp_path):
  old = dataclasses.asdict(MANIFEST)
  newer = ('num_labelled', 'keeps_text', 'dev_split', 'made_from')
  for name in (*newer, 'merged_from'):
    del old[name]
  logits_dump.files.write_json(str(tmp_path / 'manifest.json'), old)
  (dump,) = logits_dump.open_dumps([str(tmp_path)], glue.get_task('SST-2'))
  assert dump.manifest == MANIFEST


def test_probabilities_are_averaged():
  # softmax([0, 0]) = [.5, .5], softmax([log 9, 0]) = [.9, .1]; mean [.7, .3].
  logits = np.float32([[[0, 0]], [[math.log(9), 0]]])
  mean = merged_dump.mean_logits(logits, is_regression=False)
  np.testing.assert_allclose(mean, np.log([[0.7, 0.3]]), rtol=1e-6)


def test_probabilities_are_averaged_at_the_temperature():
  # At T = 2 softmax([log 81, 0] / 2) = [.9, .1].
  logits = np.float32([[[0, 0]], [[math.log(81), 0]]])
  mean = merged_dump.mean_logits(logits, False, temperature=2.0)
  exponents = np.exp(mean / 2)
  np.testing.assert_allclose(
    exponents / exponents.sum(), [[0.7, 0.3]], rtol=1e-6
  )


def test_sure_teachers_that_disagree_have_a_finite_mean():
  logits = np.float32([[[1000, 0]], [[0, 1000]]])
  mean = merged_dump.mean_logits(logits, is_regression=False)
  np.testing.assert_allclose(mean, np.log([[0.5, 0.5]]), rtol=1e-6)


def test_numbers_are_averaged_as_they_are():
  mean = merged_dump.mean_logits(np.float32([[[1.5]], [[4.5]]]), True)
  assert mean.tolist() == [[3.0]]


def test_dumps_are_merged_and_found_again(tmp_path, tokenizer):
  rows = _without_text(ROWS)
  other = np.float32([[0, 3], [1, 0], [5, 0]])
  dumps = [
    _write(tmp_path / 'a', tokenizer, LOGITS, rows),
    _write(tmp_path / 'b', tokenizer, other, rows),
  ]
  merged = _make(dumps, tokenizer, tmp_path / 'merged')
  expected = merged_dump.mean_logits(np.stack([LOGITS, other]), False)
  for row, theirs, logits in zip(merged.rows(), ROWS, expected, strict=True):
    assert row.example_id == theirs.example_id
    assert row.input_ids.tolist() == theirs.input_ids.tolist()
    assert row.label == theirs.label
    np.testing.assert_array_equal(row.teacher_logits, logits)
  shards = [pathlib.Path(path) for path in merged.paths]
  sizes = [record_index.load_index(path).num_records for path in merged.paths]
  assert sizes == [1, 2]
  before = [path.stat().st_mtime_ns for path in shards]
  whole = [path.read_bytes() for path in shards]
  assert _make(dumps, tokenizer, tmp_path / 'merged') == merged
  assert [path.stat().st_mtime_ns for path in shards] == before
  # Killed before its end it is made again, with the same bytes.
  (tmp_path / 'merged' / 'manifest.json').unlink()
  shards[1].unlink()
  left = pathlib.Path(temporary_files.name_for(merged.paths[1]))
  left.write_bytes(b'half')
  _make(dumps, tokenizer, tmp_path / 'merged')
  assert not left.exists()
  assert [path.read_bytes() for path in shards] == whole
  # Another temperature is another dump.
  _make(dumps, tokenizer, tmp_path / 'merged', temperature=2.0)
  assert [path.read_bytes() for path in shards] != whole


def test_a_merged_dump_is_trained_on_with_its_labels(tmp_path, tokenizer):
  dump = _write(tmp_path / 'a', tokenizer, LOGITS)
  source = dump.source(glue.get_task('SST-2'), 8, with_labels=True)
  raw = [*record_reader.read(dump.paths[0]), *record_reader.read(dump.paths[1])]
  batch = source.parse(raw)
  assert batch['label_ids'].numpy().tolist() == [1, -1, 0]
  assert batch['teacher_logits'].numpy().tolist() == LOGITS.tolist()
  plain = dump.source(glue.get_task('SST-2'), 8).parse(raw)
  assert 'label_ids' not in plain


def test_dumps_of_other_texts_are_told_apart(tmp_path, tokenizer):
  rows = _without_text(ROWS)
  first = _write(tmp_path / 'a', tokenizer, LOGITS, rows)
  moved = [rows[0], rows[2], rows[1]]
  second = _write(tmp_path / 'b', tokenizer, LOGITS, moved)
  with pytest.raises(UserError, match='/a has a:2, .*/b has a:3'):
    _make([first, second], tokenizer, tmp_path / 'merged')
  changed = [rows[0], rows[1]._replace(input_ids=rows[0].input_ids), rows[2]]
  third = _write(tmp_path / 'c', tokenizer, LOGITS, changed)
  with pytest.raises(UserError, match='another text of that name: a:2'):
    _make([first, third], tokenizer, tmp_path / 'other')
  assert not logits_dump.is_whole(str(tmp_path / 'other'))


def test_dumps_of_other_sizes_are_told_before_they_are_read(
  tmp_path, tokenizer
):
  _write(tmp_path / 'a', tokenizer, LOGITS)
  _write(tmp_path / 'b', tokenizer, LOGITS, num_examples=4)
  with pytest.raises(UserError, match='/a has 3 examples, .*/b has 4'):
    logits_dump.open_dumps(
      [str(tmp_path / 'a'), str(tmp_path / 'b')], glue.get_task('SST-2')
    )


def test_a_student_of_another_vocabulary_tokenizes_kept_text(
  tmp_path, tokenizer
):
  dump = _write(tmp_path / 'a', tokenizer, LOGITS)
  words = [*WORDS[:5], 'film', 'bad', 'good']
  own = _make([dump], _tokenizer(tmp_path, words), tmp_path / 'own')
  assert [row.input_ids.tolist() for row in own.rows()] == [
    [2, 7, 3],
    [2, 6, 3],
    [2, 5, 6, 3],
  ]
  logits = [row.teacher_logits.tolist() for row in own.rows()]
  assert logits == LOGITS.tolist()
  assert own.manifest.vocabulary != dump.manifest.vocabulary


def test_a_student_of_shorter_inputs_cuts_kept_text(tmp_path, tokenizer):
  dump = _write(tmp_path / 'a', tokenizer, LOGITS, num_held_out=4)
  own = _make([dump], tokenizer, tmp_path / 'own', max_seq_length=3)
  assert [row.input_ids.tolist() for row in own.rows()] == [
    [2, 5, 3],
    [2, 6, 3],
    [2, 7, 3],
  ]
  # It is still of one teacher.
  made = own.manifest
  assert (made.teacher_checksum, made.num_held_out) == ('of a', 4)
  assert made.origins == dump.manifest.origins
  assert not made.merged_from


def test_a_dump_without_text_fits_its_own_vocabulary_only(tmp_path, tokenizer):
  dump = _write(tmp_path / 'a', tokenizer, LOGITS, _without_text(ROWS))
  assert not merged_dump.check([dump], _student(tokenizer))
  other = _tokenizer(tmp_path, [*WORDS, 'plot'])
  with pytest.raises(UserError, match='vocabulary is .*--keep_text'):
    merged_dump.check([dump], _student(other))
  second = _write(tmp_path / 'b', other, LOGITS, _without_text(ROWS))
  with pytest.raises(UserError, match='/a and .*/b differ in vocabulary'):
    merged_dump.check([dump, second], _student(tokenizer))


def test_teachers_of_two_vocabularies_are_compared_by_text(tmp_path, tokenizer):
  other = _tokenizer(tmp_path, [*WORDS[:5], 'film', 'bad', 'good'])
  rows = [
    row._replace(input_ids=np.array(ids))
    for row, ids in zip(ROWS, ([2, 7, 3], [2, 6, 3], [2, 5, 6, 3]), strict=True)
  ]
  dumps = [
    _write(tmp_path / 'a', tokenizer, LOGITS),
    _write(tmp_path / 'b', other, LOGITS, rows),
  ]
  # The student takes the ids of the dump that has its vocabulary.
  merged = _make(dumps, other, tmp_path / 'merged')
  assert [row.input_ids.tolist() for row in merged.rows()] == [
    row.input_ids.tolist() for row in rows
  ]


def test_dev_logits_are_averaged_where_they_are_known(tmp_path, tokenizer):
  dumps = [
    _write(tmp_path / name, tokenizer, LOGITS, dev_split='x')
    for name in ('a', 'b')
  ]
  assert merged_dump.dev_logits(dumps, 'x', False) is None
  logits_dump.write_dev_logits(dumps[0].folder, np.float32([[0, 0]]))
  logits_dump.write_dev_logits(dumps[1].folder, np.float32([[math.log(9), 0]]))
  mean = merged_dump.dev_logits(dumps, 'x', False)
  np.testing.assert_allclose(mean, np.log([[0.7, 0.3]]), rtol=1e-6)
  assert merged_dump.dev_logits(dumps, 'y', False) is None


def test_numbers_without_a_label_are_told_from_zero(tmp_path):
  path = str(tmp_path / 'logits')
  rows = [
    row._replace(teacher_logits=np.float32([1.5]), label=label)
    for row, label in zip(ROWS, (0.0, None, 2.5), strict=True)
  ]
  logits_dump.write_shard(path, rows, is_regression=True)
  read = [row.label for row in logits_dump.read_shard(path)]
  assert read == [0.0, None, 2.5]


@pytest.mark.parametrize(
  ('shard', 'message'),
  [
    (
      {'name': '../logits-00000-of-00002'},
      "'../logits.* is no name of a shard",
    ),
    ({'name': '/tmp/logits-00000-of-00002'}, 'is no name of a shard'),
    ({'name': 'run.json'}, "'run.json' is no name of a shard"),
    ({'name': 3}, 'name is 3'),
    ({'num_examples': '3'}, "num_examples is '3'"),
  ],
)
def test_a_manifest_from_elsewhere_names_no_other_files(
  tmp_path, tokenizer, shard, message
):
  dump = _write(tmp_path / 'dump', tokenizer, LOGITS)
  path = f'{dump.folder}/manifest.json'
  values = logits_dump.files.read_json(path)
  values['shards'][0] |= shard
  logits_dump.files.write_json(path, values)
  with pytest.raises(UserError, match=f'no manifest of a dump: .*{message}'):
    logits_dump.read_manifest(dump.folder)


@pytest.mark.parametrize(
  'changes',
  [
    {'max_seq_length': '8'},
    {'labels': 'ab'},
    {'shards': [1]},
    {'merged_from': [[]]},
  ],
)
def test_a_manifest_with_strange_values_is_refused(
  tmp_path, tokenizer, changes
):
  dump = _write(tmp_path / 'dump', tokenizer, LOGITS)
  path = f'{dump.folder}/manifest.json'
  values = logits_dump.files.read_json(path)
  logits_dump.files.write_json(path, {**values, **changes})
  with pytest.raises(UserError, match='is no manifest of a dump'):
    logits_dump.read_manifest(dump.folder)
