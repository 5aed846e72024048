"""A student's own dump: merged teachers, and text that is tokenized again."""

import os
import pathlib

import numpy as np
import pytest
import tiny_dump

from data.records import record_index
from data.tasks import glue
from distillation import dump_manifest, ensemble, logits_dump, student_dump
from distillation.dump_manifest import Origin
from system import files, temporary_files
from system.errors import UserError


@pytest.fixture
def tokenizer(tmp_path):
  return tiny_dump.make_tokenizer(tmp_path, tiny_dump.WORDS)


def _student(tokenizer, max_seq_length=8, task='SST-2'):
  return student_dump.StudentInput(
    glue.get_task(task), tokenizer, max_seq_length
  )


def _without_text(rows):
  return [row._replace(text_a=None, text_b=None) for row in rows]


def _make(dumps, tokenizer, folder, temperature=1.0, **student):
  student = _student(tokenizer, **student)
  student_dump.check(dumps, student)
  assert student_dump.needs_own(dumps, student)
  fingerprints = [dump.folder for dump in dumps]
  return student_dump.make(
    dumps, fingerprints, student, temperature, str(folder)
  )


def test_a_merged_dump_lists_its_teachers(tmp_path, tokenizer):
  dumps = [
    tiny_dump.write(
      tmp_path / name,
      tokenizer,
      tiny_dump.LOGITS,
      teacher=name,
      teacher_scores={'eval_accuracy': score},
      num_held_out=number,
    )
    for name, score, number in (('a', 0.5, 1), ('b', 0.75, 2))
  ]
  merged = _make(dumps, tokenizer, tmp_path / 'merged').manifest
  assert (merged.teacher, merged.teacher_checksum) == ('', '')
  assert (merged.teacher_scores, merged.num_held_out) == ({}, None)
  assert merged.temperature == 1.0
  assert merged.merged_from == [
    Origin('a', 'of a', {'eval_accuracy': 0.5}, 1),
    Origin('b', 'of b', {'eval_accuracy': 0.75}, 2),
  ]
  assert dump_manifest.read(str(tmp_path / 'merged')) == merged
  # Its teachers do not count as another one.
  with pytest.raises(
    UserError, match='/merged and .*/b are from the same teach'
  ):
    tiny_dump.open_dumps(tmp_path / 'merged', tmp_path / 'b')


def test_a_merged_dump_that_was_changed_is_made_again(
  tmp_path, tokenizer, caplog
):
  dumps = [tiny_dump.write(tmp_path / name, tokenizer) for name in 'ab']
  own = _make(dumps, tokenizer, tmp_path / 'own')
  shard = pathlib.Path(own.paths[0])
  before = shard.read_bytes()
  tiny_dump.rewrite_shard(shard)
  assert _make(dumps, tokenizer, tmp_path / 'own') == own
  assert 'own/logits-00000-of-00002 does not match' in caplog.text
  assert shard.read_bytes() == before


def test_dumps_are_merged_once(tmp_path, tokenizer):
  rows = _without_text(tiny_dump.ROWS)
  other = np.float32([[0, 3], [1, 0], [5, 0]])
  dumps = [
    tiny_dump.write(tmp_path / 'a', tokenizer, tiny_dump.LOGITS, rows),
    tiny_dump.write(tmp_path / 'b', tokenizer, other, rows),
  ]
  merged = _make(dumps, tokenizer, tmp_path / 'merged')
  expected = ensemble.mean_logits(np.stack([tiny_dump.LOGITS, other]), False)
  for row, theirs, logits in zip(
    merged.rows(), tiny_dump.ROWS, expected, strict=True
  ):
    assert row.example_id == theirs.example_id
    assert row.input_ids.tolist() == theirs.input_ids.tolist()
    assert row.label == theirs.label
    np.testing.assert_array_equal(row.teacher_logits, logits)
  shards = [pathlib.Path(path) for path in merged.paths]
  sizes = [record_index.load_index(path).num_records for path in merged.paths]
  assert sizes == [1, 2]
  for path in shards:
    os.utime(path, (1, 1))
  whole = [path.read_bytes() for path in shards]
  assert _make(dumps, tokenizer, tmp_path / 'merged') == merged
  assert [path.stat().st_mtime for path in shards] == [1, 1]
  # If the merge was killed, it is repeated and gives the same bytes.
  (tmp_path / 'merged' / 'manifest.json').unlink()
  shards[1].unlink()
  left = pathlib.Path(temporary_files.name_for(merged.paths[1]))
  left.write_bytes(b'half')
  _make(dumps, tokenizer, tmp_path / 'merged')
  assert not left.exists()
  assert [path.read_bytes() for path in shards] == whole
  # Another temperature gives another dump.
  _make(dumps, tokenizer, tmp_path / 'merged', temperature=2.0)
  assert [path.read_bytes() for path in shards] != whole


def test_equal_texts_may_have_other_ids(tmp_path, tokenizer):
  rows = _without_text(tiny_dump.ROWS)
  moved = [row._replace(example_id=f'/else/{row.example_id}') for row in rows]
  dumps = [
    tiny_dump.write(tmp_path / 'a', tokenizer, tiny_dump.LOGITS, rows),
    tiny_dump.write(tmp_path / 'b', tokenizer, tiny_dump.LOGITS, moved),
  ]
  merged = _make(dumps, tokenizer, tmp_path / 'merged')
  assert [row.example_id for row in merged.rows()] == ['a:1', 'a:2', 'a:3']


def test_the_longest_fitting_dump_gives_the_text(tmp_path, tokenizer):
  cut = [
    row._replace(input_ids=row.input_ids[:3], segment_ids=row.segment_ids[:3])
    for row in tiny_dump.ROWS
  ]
  logits = tiny_dump.LOGITS
  dumps = [
    tiny_dump.write(tmp_path / 'a', tokenizer, logits, cut, max_seq_length=3),
    tiny_dump.write(tmp_path / 'b', tokenizer),
  ]
  for order in (dumps, dumps[::-1]):
    own = _make(order, tokenizer, tmp_path / f'own-{order[0].folder[-1]}')
    assert [len(row.input_ids) for row in own.rows()] == [3, 3, 4]
  # Of those that fit.
  student = _student(tokenizer, max_seq_length=3)
  assert student_dump.base(dumps, student) == 0


def test_labels_in_another_order_are_matched_by_name(tmp_path, tokenizer):
  rows = _without_text(tiny_dump.ROWS)
  tiny_dump.write(tmp_path / 'a', tokenizer, tiny_dump.LOGITS, rows)
  exchanged = [
    row._replace(label=None if row.label is None else 1 - row.label)
    for row in rows
  ]
  tiny_dump.write(
    tmp_path / 'b',
    tokenizer,
    tiny_dump.LOGITS[:, ::-1],
    exchanged,
    labels=['1', '0'],
  )
  theirs = np.float32([[1, 2], [3, 4]])
  for name, logits in (('a', theirs), ('b', theirs[:, ::-1])):
    logits_dump.write_dev_logits(str(tmp_path / name), logits)
  both = tiny_dump.open_dumps(tmp_path / 'a', tmp_path / 'b')
  for dumps in (both, both[1:]):
    own = _make(dumps, tokenizer, tmp_path / f'own-{len(dumps)}')
    found = list(own.rows())
    np.testing.assert_allclose(
      # The mean of probabilities: logits up to a constant.
      [row.teacher_logits[1] - row.teacher_logits[0] for row in found],
      tiny_dump.LOGITS[:, 1] - tiny_dump.LOGITS[:, 0],
      rtol=1e-6,
    )
    assert [row.label for row in found] == [1, None, 0]
    assert own.manifest.labels == ['0', '1']
  # Without text of dev, both checksums are empty.
  found = ensemble.dev_logits(both[1:], '', (2, 2), is_regression=False)
  np.testing.assert_array_equal(found, theirs)


def test_dumps_of_different_texts_are_not_merged(tmp_path, tokenizer):
  rows = _without_text(tiny_dump.ROWS)
  first = tiny_dump.write(tmp_path / 'a', tokenizer, tiny_dump.LOGITS, rows)
  moved = [rows[0], rows[2], rows[1]]
  second = tiny_dump.write(tmp_path / 'b', tokenizer, tiny_dump.LOGITS, moved)
  with pytest.raises(UserError, match='/a has a:2, .*/b has a:3'):
    _make([first, second], tokenizer, tmp_path / 'merged')
  changed = [rows[0], rows[1]._replace(input_ids=rows[0].input_ids), rows[2]]
  third = tiny_dump.write(tmp_path / 'c', tokenizer, tiny_dump.LOGITS, changed)
  with pytest.raises(UserError, match='/a and .*/c have different .* for a:2'):
    _make([first, third], tokenizer, tmp_path / 'other')
  assert not dump_manifest.exists(str(tmp_path / 'other'))


def test_a_student_of_another_vocabulary_tokenizes_kept_text(
  tmp_path, tokenizer
):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer)
  words = [*tiny_dump.WORDS[:5], 'film', 'bad', 'good']
  own = _make(
    [dump], tiny_dump.make_tokenizer(tmp_path, words), tmp_path / 'own'
  )
  assert [row.input_ids.tolist() for row in own.rows()] == [
    [2, 7, 3],
    [2, 6, 3],
    [2, 5, 6, 3],
  ]
  logits = [row.teacher_logits.tolist() for row in own.rows()]
  assert logits == tiny_dump.LOGITS.tolist()
  assert own.manifest.vocabulary != dump.manifest.vocabulary


def test_a_merged_dump_fits_the_temperature_that_it_was_made_at(
  tmp_path, tokenizer
):
  dumps = [tiny_dump.write(tmp_path / x, tokenizer, teacher=x) for x in 'ab']
  ensemble.check_temperature(dumps, 5.0)
  merged = _make(dumps, tokenizer, tmp_path / 'merged', temperature=2.0)
  merged = logits_dump.Dump(merged.folder, dump_manifest.read(merged.folder))
  ensemble.check_temperature([merged], 2.0)
  with pytest.raises(UserError, match='2 teachers at temperature 2, .* is 1:'):
    ensemble.check_temperature([merged], 1.0)


def test_a_student_with_shorter_inputs_tokenizes_kept_text(tmp_path, tokenizer):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer, num_held_out=4)
  own = _make([dump], tokenizer, tmp_path / 'own', max_seq_length=3)
  assert [row.input_ids.tolist() for row in own.rows()] == [
    [2, 5, 3],
    [2, 6, 3],
    [2, 7, 3],
  ]
  # The dump still has one teacher.
  made = own.manifest
  assert (made.teacher_checksum, made.num_held_out) == ('of a', 4)
  assert made.origins == dump.manifest.origins
  assert not made.merged_from


def test_a_dump_without_text_fits_its_own_vocabulary_only(tmp_path, tokenizer):
  dump = tiny_dump.write(
    tmp_path / 'a', tokenizer, tiny_dump.LOGITS, _without_text(tiny_dump.ROWS)
  )
  student_dump.check([dump], _student(tokenizer))
  assert not student_dump.needs_own([dump], _student(tokenizer))
  other = tiny_dump.make_tokenizer(tmp_path, [*tiny_dump.WORDS, 'plot'])
  with pytest.raises(UserError, match='vocabulary is .*`keep_text`'):
    student_dump.check([dump], _student(other))
  second = tiny_dump.write(
    tmp_path / 'b', other, tiny_dump.LOGITS, _without_text(tiny_dump.ROWS)
  )
  with pytest.raises(UserError, match='/a and .*/b differ in vocabulary'):
    student_dump.check([dump, second], _student(tokenizer))


def test_teachers_of_two_vocabularies_are_compared_by_text(tmp_path, tokenizer):
  other = tiny_dump.make_tokenizer(
    tmp_path, [*tiny_dump.WORDS[:5], 'film', 'bad', 'good']
  )
  rows = [
    row._replace(input_ids=np.array(ids))
    for row, ids in zip(
      tiny_dump.ROWS, ([2, 7, 3], [2, 6, 3], [2, 5, 6, 3]), strict=True
    )
  ]
  dumps = [
    tiny_dump.write(tmp_path / 'a', tokenizer),
    tiny_dump.write(tmp_path / 'b', other, tiny_dump.LOGITS, rows),
  ]
  # The student takes the ids of the dump that has its vocabulary.
  merged = _make(dumps, other, tmp_path / 'merged')
  assert [row.input_ids.tolist() for row in merged.rows()] == [
    row.input_ids.tolist() for row in rows
  ]


def test_a_dump_without_the_text_that_it_claims_is_refused(tmp_path, tokenizer):
  rows = [*tiny_dump.ROWS[:2], *_without_text(tiny_dump.ROWS[2:])]
  dump = tiny_dump.write(tmp_path / 'a', tokenizer, rows=rows)
  assert dump.manifest.keeps_text
  with pytest.raises(UserError, match="the dump has no text for 'a:3'"):
    _make([dump], tokenizer, tmp_path / 'own', max_seq_length=3)


@pytest.mark.parametrize(
  'changes',
  [
    {'num_labelled': 1},
    {'vocab_size': 99},
    {'keeps_text': True},
    {'labels': ['1', '0']},
    {'task': 'CoLA'},
    {'num_examples': 4},
  ],
)
def test_a_merged_dump_whose_manifest_was_changed_is_made_again(
  tmp_path, tokenizer, changes
):
  dumps = [tiny_dump.write(tmp_path / name, tokenizer) for name in 'ab']
  own = _make(dumps, tokenizer, tmp_path / 'own')
  path = f'{own.folder}/manifest.json'
  files.write_json(path, {**files.read_json(path), **changes})
  assert _make(dumps, tokenizer, tmp_path / 'own') == own
  assert dump_manifest.read(own.folder) == own.manifest


def test_a_vocabulary_of_another_size_than_the_manifest_s_is_refused(
  tmp_path, tokenizer
):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer, vocab_size=9)
  with pytest.raises(
    UserError, match='a/manifest.json: vocab_size is 9, but .* has 8 tokens'
  ):
    student_dump.check([dump], _student(tokenizer))


def test_labels_are_those_of_the_dump_whose_ids_are_used(tmp_path, tokenizer):
  other = tiny_dump.make_tokenizer(tmp_path, [*tiny_dump.WORDS, 'plot'])
  unlabelled = [row._replace(label=None) for row in tiny_dump.ROWS]
  dumps = [
    tiny_dump.write(
      tmp_path / 'a', other, rows=unlabelled, vocab_size=9, num_labelled=0
    ),
    tiny_dump.write(tmp_path / 'b', tokenizer),
  ]
  merged = _make(dumps, tokenizer, tmp_path / 'merged')
  merged.check_labels(glue.get_task('SST-2'))
  assert (merged.manifest.num_labelled, merged.manifest.vocab_size) == (2, 8)
  assert [row.label for row in merged.rows()] == [1, None, 0]


def test_a_dump_of_single_texts_is_refused_for_a_task_of_pairs(
  tmp_path, tokenizer
):
  dump = tiny_dump.write(tmp_path / 'a', tokenizer)
  with pytest.raises(UserError, match='/a has single texts, MRPC pairs of te'):
    student_dump.check([dump], _student(tokenizer, task='MRPC'))


def test_a_dump_of_pairs_is_refused_for_a_task_of_single_texts(
  tmp_path, tokenizer
):
  # The other rows are pairs whose second text has no tokens.
  last = tiny_dump.ROWS[2]._replace(segment_ids=np.array([0, 0, 1, 1]))
  rows = [*tiny_dump.ROWS[:2], last]
  dump = tiny_dump.write(tmp_path / 'a', tokenizer, rows=rows)
  student_dump.check([dump], _student(tokenizer, task='MRPC'))
  with pytest.raises(UserError, match='/a has pairs of texts, SST-2 single on'):
    student_dump.check([dump], _student(tokenizer))


def test_the_second_texts_of_pairs_are_compared_and_needed(tmp_path, tokenizer):
  words = [*tiny_dump.WORDS, 'plot']
  other = tiny_dump.make_tokenizer(tmp_path, words)
  pair = tiny_dump.ROWS[0]._replace(segment_ids=np.array([0, 0, 1]))
  rows = [pair._replace(text_b=text) for text in ('film', 'bad', 'bad')]
  dumps = [
    tiny_dump.write(tmp_path / 'a', tokenizer, rows=rows),
    tiny_dump.write(
      tmp_path / 'b',
      other,
      rows=[*rows[:2], rows[2]._replace(text_b='good')],
      vocab_size=9,
    ),
  ]
  with pytest.raises(UserError, match='/a and .*/b have different texts for '):
    _make(dumps, tokenizer, tmp_path / 'own', task='MRPC')
  rows = [*rows[:2], pair]
  dump = tiny_dump.write(tmp_path / 'c', tokenizer, rows=rows)
  with pytest.raises(UserError, match="the dump has no text for 'a:1'"):
    _make([dump], other, tmp_path / 'new', task='MRPC')
