"""Manifests of pre-training records, as training reads them."""

import json
import re
import shutil

import pytest
import tiny_world

from data.pretraining import manifest
from data.pretraining.manifest import FileSize
from data.pretraining.options import RecordOptions
from data.text.vocabulary import load_vocabulary
from system import files
from system.errors import UserError


@pytest.fixture(scope='module')
def _made(tmp_path_factory):
  """A folder with records in two files, `r-0` and `r-1`."""
  folder = tiny_world.make(tmp_path_factory.mktemp('made'))
  tiny_world.make_records(
    folder, f'{folder}/r-0', f'{folder}/r-1', dynamic_masking=True
  )
  return folder


@pytest.fixture
def made(_made, tmp_path):
  return shutil.copytree(_made, tmp_path, dirs_exist_ok=True)


def _path(folder) -> str:
  return str(folder / 'r-0.manifest.json')


def _change(path, **changes):
  content = files.read_json(str(path))
  files.write_json(str(path), {**content, **changes})


def test_a_manifest_holds_options_and_vocabulary_and_sizes(made):
  paths = [f'{made}/r-1', f'{made}/r-0']
  found = manifest.find(paths)
  assert list(found) == paths
  ours = found[paths[0]]
  assert found[paths[1]] is ours
  assert ours.path == _path(made)
  assert ours.options == RecordOptions(
    max_predictions_per_seq=3,
    max_seq_length=16,
    dupe_factor=3,
    dynamic_masking=True,
  )
  assert ours.do_lower_case is True
  vocabulary = load_vocabulary(f'{made}/vocab.txt')
  assert ours.vocab_checksum == vocabulary.checksum
  assert ours.vocab_size == len(vocabulary.tokens)
  indexes = [json.loads((made / f'r-{i}.index.json').read_text()) for i in '01']
  assert ours.sizes == {
    f'r-{i}': FileSize(index['bytes'], index['num_records'])
    for i, index in enumerate(indexes)
  }


def test_records_may_be_moved_with_their_manifest(made, tmp_path):
  folder = tmp_path / 'moved'
  folder.mkdir()
  for path in made.glob('r-*'):
    path.rename(folder / path.name)
  (found,) = manifest.find([f'{folder}/r-1']).values()
  assert found.path == _path(folder)


@pytest.mark.parametrize(
  'index', [None, '{}', '{"details": {"documents": 3}}', '[]']
)
def test_records_of_other_programs_have_no_manifest(made, index):
  path = made / 'r-0.index.json'
  path.unlink()
  if index:
    path.write_text(index)
  found = manifest.find([f'{made}/r-0', f'{made}/r-1'])
  assert found[f'{made}/r-0'] is None
  assert found[f'{made}/r-1'].path == _path(made)


def _message(folder) -> str:
  with pytest.raises(UserError) as error:
    manifest.find([f'{folder}/r-0', f'{folder}/r-1'])
  return str(error.value)


def test_records_without_their_manifest_are_not_complete(made):
  (made / 'r-0.manifest.json').unlink()
  message = _message(made)
  assert 'the records are not complete: ' + _path(made) in message
  assert 'repeat the command that made them' in message


def test_a_file_that_is_cut_short_is_named(made):
  content = (made / 'r-1').read_bytes()
  (made / 'r-1').write_bytes(content[:-7])
  size = len(content)
  assert (
    f'{made}/r-1 is damaged or cut short: it has {size - 7:,} bytes, expected '
    f'{size:,} ({_path(made)})'
  ) in _message(made)


def test_a_renamed_file_is_named(made):
  for name in ('r-1', 'r-1.index.json'):
    (made / name).rename(made / name.replace('r-1', 'other'))
  shutil.copy(made / 'other', made / 'r-1')
  with pytest.raises(
    UserError,
    match="does not list 'other'; it lists 2 files, from 'r-0' to 'r-1'",
  ):
    manifest.find([f'{made}/other'])


def test_a_file_made_with_other_flags_is_named(made):
  # A run with other flags was killed before it replaced all files.
  path = made / 'r-1.index.json'
  details = json.loads(path.read_text())['details']
  _change(path, details={**details, 'fingerprint': 'another'})
  assert (
    f'{made}/r-1 was made from other text or flags than {_path(made)}'
  ) in _message(made)


@pytest.mark.parametrize(
  ('content', 'reason'),
  [
    ('[]', 'TypeError'),
    ('{}', "KeyError: 'flags'"),
    ('{"flags": {}}', "KeyError: 'max_predictions_per_seq'"),
    ('{', 'is not valid JSON'),
  ],
)
def test_a_malformed_manifest_is_named(made, content, reason):
  (made / 'r-0.manifest.json').write_text(content)
  message = _message(made)
  assert message.startswith(_path(made)) and reason in message


def _with_value(content, path, value):
  """Changes one value of a manifest, which `path` names: 'files.0.bytes'."""
  *keys, last = [int(key) if key.isdigit() else key for key in path.split('.')]
  inner = content
  for key in keys:
    inner = inner[key]
  inner[last] = value
  return content


@pytest.mark.parametrize(
  ('path', 'value', 'message'),
  [
    ('files', [], 'it lists no files'),
    ('files', {}, 'files is {}, expected a list'),
    ('files', [7], 'is not a manifest'),
    ('files.0.bytes', '9', "bytes is '9', expected a positive int"),
    ('files.0.num_records', 0, 'num_records is 0, expected a positive int'),
    ('files.1.num_records', -3, 'num_records is -3, expected a positive int'),
    ('files.1.num_records', True, 'num_records is True, expected a positive'),
    ('files.1.num_records', 1, "it lists 1 records in 'r-1', .*r-1.index.json"),
    ('flags.do_lower_case', 'no', "do_lower_case is 'no', expected a bool"),
    ('fingerprint', None, 'fingerprint is None, expected a str'),
    ('vocabulary.size', 1.5, 'size is 1.5, expected a positive int'),
    ('vocabulary.checksum', 7, 'checksum is 7, expected a str'),
    ('vocabulary', [], 'is not a manifest'),
  ],
)
def test_a_value_that_does_not_describe_the_records_is_refused(
  made, path, value, message
):
  content = files.read_json(_path(made))
  files.write_json(_path(made), _with_value(content, path, value))
  found = _message(made)
  assert found.startswith(_path(made)) and re.search(message, found)


def test_an_option_outside_its_limits_is_named(made):
  flags = json.loads((made / 'r-0.manifest.json').read_text())['flags']
  _change(_path(made), flags={**flags, 'masked_lm_prob': 15})
  assert '`masked_lm_prob`=15: expected more than 0' in _message(made)
