"""The record files of a training run."""

import dataclasses

import pytest

from data.pretraining import input_records
from data.pretraining.input_records import Requirements
from data.pretraining.manifest import FileSize, Manifest
from data.pretraining.options import RecordOptions
from system.errors import UserError

_REQUIREMENTS = Requirements(128, 20, 100, ('my/vocab.txt', 'abcdefghij'))
_STATIC = Manifest(
  'wiki.manifest.json',
  'fingerprint',
  RecordOptions(),
  True,
  'abcdefghij',
  100,
  {'wiki-0': FileSize(70, 1000), 'wiki-1': FileSize(7, 234)},
)
_DYNAMIC = dataclasses.replace(
  _STATIC,
  options=RecordOptions(
    max_predictions_per_seq=7, do_whole_word_mask=True, dynamic_masking=True
  ),
)
_BOOKS = {'path': 'books.manifest.json', 'sizes': {'books': FileSize(9, 5)}}


def _change(manifest: Manifest, **options) -> Manifest:
  changed = dataclasses.replace(manifest.options, **options)
  return dataclasses.replace(manifest, options=changed)


def _found(*manifests: Manifest | None):
  """Returns all files of some manifests, as `manifest.find` does."""
  return {
    path: manifest
    for i, manifest in enumerate(manifests)
    for path in (manifest.sizes if manifest else [f'foreign-{i}'])
  }


def _message(*manifests, requirements=_REQUIREMENTS) -> str:
  with pytest.raises(UserError) as error:
    input_records.check(_found(*manifests), requirements)
  return str(error.value)


def test_the_casing_of_the_records_is_that_of_their_manifest():
  cased = dataclasses.replace(_STATIC, do_lower_case=False)
  assert input_records.do_lower_case(_found(_STATIC)) is True
  assert input_records.do_lower_case(_found(None, cased)) is False
  assert input_records.do_lower_case(_found(None)) is None


def test_an_encoder_of_the_other_casing_is_refused():
  input_records.check_casing(
    _found(_STATIC, None), 'init_checkpoint', ('run.json', True)
  )
  with pytest.raises(
    UserError,
    match='do_lower_case=True .wiki.manifest.json., but run.json says that '
    '`teacher_checkpoint` has do_lower_case=False',
  ):
    input_records.check_casing(
      _found(_STATIC, None), 'teacher_checkpoint', ('run.json', False)
    )


def test_a_glob_leaves_out_indexes_and_manifests(tmp_path):
  for name in ('r-0', 'r-1', 'r-0.index.json', 'r.manifest.json'):
    (tmp_path / name).write_text('x')
  expected = [f'{tmp_path}/r-0', f'{tmp_path}/r-1']
  assert input_records.expand(f'{tmp_path}/r*') == expected
  with pytest.raises(UserError, match='names no file of records'):
    input_records.expand(f'{tmp_path}/*.json')


def test_empty_files_of_other_programs_are_left_out(tmp_path, caplog):
  (tmp_path / 'full').write_text('x')
  for name in ('empty', 'lost', 'lost.index.json'):
    (tmp_path / name).touch()
  found = input_records.expand(f'{tmp_path}/*')
  # This project's records are never empty: they were lost.
  assert found == [f'{tmp_path}/full', f'{tmp_path}/lost']
  assert f'Leaves out 1 empty files: {tmp_path}/empty' in caplog.text
  with pytest.raises(UserError, match='/empty is empty: it holds no rec'):
    input_records.expand(f'{tmp_path}/empty')


def test_records_are_counted_if_all_have_a_manifest():
  assert input_records.num_records(_found(_STATIC)) == 1234
  assert input_records.num_records(_found(_STATIC, None)) is None


def test_a_line_describes_the_records(caplog):
  books = dataclasses.replace(_STATIC, **_BOOKS)
  input_records.check(_found(_STATIC, books, None), _REQUIREMENTS)
  (line,) = caplog.messages
  assert line == (
    'Records: 1,234 in 2 of 2 files of wiki.manifest.json; '
    '5 in 1 of 1 files of books.manifest.json; '
    '1 of 4 files without a manifest; masked when they were made; '
    'vocabulary of 100 tokens (abcdefgh).'
  )
  caplog.clear()
  input_records.check(_found(_DYNAMIC), _REQUIREMENTS)
  (line,) = caplog.messages
  assert 'masked anew in each epoch (masked_lm_prob=0.15, ' in line
  assert 'do_whole_word_mask=True' in line
  assert 'max_predictions_per_seq' not in line


def test_unused_files_are_a_warning(caplog):
  input_records.check({'x/wiki-1': _STATIC}, _REQUIREMENTS)
  warning, line = caplog.messages
  assert warning == (
    'The run uses only 1 of the 2 files that wiki.manifest.json lists.'
  )
  assert 'Records: 234 in 1 of 2 files' in line


def test_records_without_a_manifest_are_not_checked(caplog):
  found = _found(None, None)
  input_records.check(found, _REQUIREMENTS)
  assert input_records.dynamic_masking(found) is None
  assert input_records.vocab_checksum(found) is None
  (line,) = caplog.messages
  assert line == (
    'Records: 2 of 2 files without a manifest; masked when they were made.'
  )


def test_another_vocabulary_is_refused():
  requirements = _REQUIREMENTS._replace(
    vocabulary=('my/vocab.txt', '0123456789')
  )
  assert _message(_STATIC, requirements=requirements) == (
    'my/vocab.txt is not the vocabulary that the records were made with: its '
    'checksum begins with 01234567, that in wiki.manifest.json with abcdefgh'
  )


def test_a_model_with_another_vocabulary_size_is_refused():
  requirements = _REQUIREMENTS._replace(vocabulary=None, vocab_size=90)
  assert _message(_STATIC, requirements=requirements) == (
    'wiki.manifest.json: the records were made with a vocabulary of 100 '
    "tokens, the model's vocab_size is 90"
  )


def test_records_without_masks_need_the_vocabulary():
  requirements = _REQUIREMENTS._replace(vocabulary=None)
  input_records.check(_found(_STATIC), requirements)
  assert _message(_DYNAMIC, requirements=requirements).startswith(
    '`vocab_file` must be given: the records of wiki.manifest.json have no '
    'masks'
  )


def test_other_lengths_are_refused():
  assert _message(
    _STATIC, requirements=_REQUIREMENTS._replace(max_seq_length=64)
  ) == (
    '`max_seq_length` is 64, but the records were made with 128 '
    '(wiki.manifest.json)'
  )
  requirements = _REQUIREMENTS._replace(max_predictions_per_seq=7)
  assert _message(_STATIC, requirements=requirements) == (
    '`max_predictions_per_seq` is 7, but the records were made with 20 '
    '(wiki.manifest.json)'
  )


def test_records_without_masks_take_any_number_of_predictions():
  input_records.check(_found(_DYNAMIC), _REQUIREMENTS)
  masking = input_records.dynamic_masking(_found(_DYNAMIC))
  assert masking == _DYNAMIC.options.masking


@pytest.mark.parametrize(
  ('one', 'changes', 'message'),
  [
    (_STATIC, {'dynamic_masking': True}, 'dynamic_masking is False in wiki.'),
    (
      _STATIC,
      {'sentence_order_prediction': True},
      'sentence_order_prediction is False in wiki.manifest.json, True in books',
    ),
    (
      _DYNAMIC,
      {'do_whole_word_mask': False},
      'do_whole_word_mask is True in wiki.manifest.json, False in books',
    ),
  ],
)
def test_records_of_two_kinds_are_refused(one, changes, message):
  books = _change(dataclasses.replace(one, **_BOOKS), **changes)
  assert message in _message(one, books)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'do_lower_case': False}, 'do_lower_case is True in wiki'),
    ({'vocab_checksum': 'zz'}, 'checksum of the vocabulary is abcdefghij in'),
  ],
)
def test_records_of_two_vocabularies_are_refused(changes, message):
  books = dataclasses.replace(_STATIC, **_BOOKS, **changes)
  assert message in _message(_STATIC, books)


def test_records_with_different_shares_of_masks_fit_together():
  books = _change(dataclasses.replace(_STATIC, **_BOOKS), masked_lm_prob=0.2)
  input_records.check(_found(_STATIC, books), _REQUIREMENTS)


def test_records_without_masks_do_not_fit_those_without_a_manifest():
  assert _message(_DYNAMIC, None) == (
    'the records of a run must be of one kind: dynamic_masking is True in '
    'wiki.manifest.json, False in foreign-1'
  )
