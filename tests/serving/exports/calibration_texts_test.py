"""Tests for the choice of the texts that calibrate static quantization."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_dump

from distillation import dump_manifest, dump_shards
from distillation.dump_shards import Row
from serving.exports import calibration_texts, dev_set, parts
from system.errors import UserError


@pytest.fixture
def teacher(teacher_world):
  model = parts.read(str(teacher_world / 'teacher'))
  return model, dev_set.read(model), teacher_world


def _record_dump(world, dump):
  path = world / 'teacher' / 'run.json'
  run = json.loads(path.read_text())
  run['command']['flags'].append(f'--logits_dir={dump}')
  if dump.exists():
    manifest = dump_manifest.read(str(dump))
    run['configuration']['dumps'] = [dump_manifest.fingerprint(manifest)]
  path.write_text(json.dumps(run))


def _write_dump(folder, tokenizer, **changes):
  """Writes a dump of two shards of 200 rows, one of them too long."""
  folder.mkdir()
  paths = dump_shards.paths(str(folder), 2)
  for number, path in enumerate(paths):
    lengths = [17, *range(3, 16), *[3] * 186]
    rows = [
      Row(
        f'{number}-{i}',
        np.array([2, *[6 + number] * (n - 2), 3]),
        np.zeros(n, np.int64),
        np.zeros(2, np.float32),
      )
      for i, n in enumerate(lengths)
    ]
    dump_shards.write(path, rows, is_regression=False)
  manifest = dataclasses.replace(
    tiny_dump.MANIFEST,
    vocabulary=tokenizer.vocab_checksum,
    vocab_size=tokenizer.vocab_size,
    max_seq_length=32,
    num_examples=400,
    shards=[dump_shards.describe(path) for path in paths],
    **changes,
  )
  dump_manifest.write(str(folder), manifest)


def test_the_dump_of_the_run_calibrates(teacher):
  model, dev, world = teacher
  dump = world / 'dump'
  _write_dump(dump, model.tokenizer)
  _record_dump(world, dump)
  source, features = calibration_texts.choose(model, None, dev)
  assert source == f'the logits dump {dump}'
  ids, mask = features['input_ids'], features['attention_mask']
  # As many of each shard; none that is longer than the model's 16 tokens.
  assert ids.shape == mask.shape == (256, 15)
  assert [(ids == 6).any(axis=1).sum(), (ids == 7).any(axis=1).sum()] == [
    *(128, 128)
  ]
  assert ids[0].tolist() == [2, 6, 3] + [0] * 12
  assert mask[0].tolist() == [1, 1, 1] + [0] * 12


def test_the_dump_of_another_tokenizer_does_not(teacher):
  model, dev, world = teacher
  _write_dump(world / 'dump', model.tokenizer, do_lower_case=False)
  _record_dump(world, world / 'dump')
  source, _ = calibration_texts.choose(model, None, dev)
  assert source == 'the dev set of SST-2'


def test_a_dump_that_was_made_anew_or_damaged_does_not(teacher, caplog):
  model, dev, world = teacher
  _write_dump(world / 'dump', model.tokenizer)
  _record_dump(world, world / 'dump')
  manifest = dump_manifest.read(str(world / 'dump'))
  other = dataclasses.replace(manifest.shards[0], crc_of_ends='00000000')
  shards = [other, manifest.shards[1]]
  dump_manifest.write(
    str(world / 'dump'), dataclasses.replace(manifest, shards=shards)
  )
  assert calibration_texts.choose(model, None, dev)[0] == 'the dev set of SST-2'
  assert 'Activations are not measured' not in caplog.text
  (world / 'dump' / 'manifest.json').write_text('{}')
  assert calibration_texts.choose(model, None, dev)[0] == 'the dev set of SST-2'
  assert 'Activations are not measured on the dump' in caplog.text


def test_else_the_dev_set_calibrates_or_a_file(teacher, tmp_path):
  model, dev, world = teacher
  _record_dump(world, world / 'no_dump')
  source, features = calibration_texts.choose(model, None, dev)
  assert source == 'the dev set of SST-2'
  assert len(features['input_ids']) == 11
  path = tmp_path / 'texts.txt'
  path.write_text('the film\n' * 600)
  source, features = calibration_texts.choose(model, str(path), dev)
  assert source == str(path)
  assert features.keys() == {'input_ids', 'attention_mask', 'token_type_ids'}
  assert features['input_ids'].shape == (200, 4)  # Every third.
  path.write_text('')
  with pytest.raises(UserError, match='has no text to calibrate on'):
    calibration_texts.choose(model, str(path), dev)
