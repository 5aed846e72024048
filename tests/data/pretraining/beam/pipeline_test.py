"""Records made on Apache Beam have the bytes of one machine."""

import functools
import gzip
import pathlib

import pytest

pytest.importorskip('apache_beam')

from fake_file_system import SCHEME

from data.pretraining import (
  block_records,
  blocks,
  creation,
  output_files,
  partitioning,
)
from data.pretraining.beam import record_transforms, remote_files
from data.pretraining.beam.pipeline import BeamEngine
from data.pretraining.options import RecordOptions
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.vocabulary_options import TokenizerOptions
from system import file_systems
from system.errors import UserError

pytestmark = pytest.mark.slow

VOCABULARY = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *'abcdefgh', '##x']
OPTIONS = RecordOptions(
  max_predictions_per_seq=4, max_seq_length=16, dupe_factor=3
)
TEXT = """
a b c
d ex f g h
b b

c d

h g f ex d c
bx a
a a a a a a a a a a a a
g

"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """Inputs with duplicates; small blocks, and small batches of records."""
  monkeypatch.setattr(file_systems, '_remote', remote_files)
  monkeypatch.setattr(
    creation,
    'Partitioning',
    functools.partial(partitioning.Partitioning, block_bytes=100),
  )
  monkeypatch.setattr(blocks, '_BATCH_CHARACTERS', 4)
  monkeypatch.setattr(block_records, '_BATCH_SIZE', 3)
  (tmp_path / 'vocab.txt').write_text('\n'.join(VOCABULARY) + '\n')
  for i, letter in enumerate('abcde'):
    text = f'{letter} {letter}\n\n{TEXT}\n\nc {letter}\n'
    (tmp_path / f't{i}.txt').write_text(text)
  (tmp_path / 't5.txt').write_bytes(gzip.compress(b'h g\n\n' + TEXT.encode()))
  (tmp_path / 't6.txt').write_text('\n')
  return tmp_path


def create(
  folder: pathlib.Path | str,
  output: str,
  engine=None,
  num_shards=None,
  **corpus_options,
):
  return creation.create_records(
    Corpus(CorpusOptions(f'{folder}/t*.txt', **corpus_options)),
    output_files.paths_of(f'{folder}/{output}/out', num_shards),
    TokenizerOptions(f'{folder}/vocab.txt'),
    OPTIONS,
    engine=engine,
  )


def contents(folder: pathlib.Path) -> dict[str, bytes]:
  return {path.name: path.read_bytes() for path in files_in(folder)}


def files_in(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns the files in a folder, except the lock, which stays."""
  return [path for path in folder.iterdir() if path.name != '.out.lock']


@pytest.mark.parametrize(
  ('num_shards', 'options'),
  [
    (None, {}),
    (2, {'deduplicate': True}),
    (15, {'min_document_characters': 4}),
    (3, {'input_format': 'text', 'deduplicate': True}),
  ],
)
def test_the_bytes_are_those_of_one_machine(folder, num_shards, options):
  create(folder, 'local', num_shards=num_shards, **options)
  engine = BeamEngine('DirectRunner')
  create(folder, 'beam', engine, num_shards, **options)
  expected = contents(folder / 'local')
  assert len(expected) == 2 * (num_shards or 1) + 1
  assert contents(folder / 'beam') == expected


def test_long_sentences_are_cut_as_on_one_machine(folder):
  for i, letter in enumerate('ab'):
    (folder / f't{i}.txt').write_text(f'{letter} c d ex ' * 40)
  options = {'input_format': 'text', 'num_shards': 2}
  expected = create(folder, 'local', **options)
  engine = BeamEngine('DirectRunner')
  found = create(folder, 'beam', engine, **options)
  assert found.to_json() == expected.to_json()
  assert contents(folder / 'beam') == contents(folder / 'local')


def test_a_job_server_makes_the_same_bytes(folder):
  """Flink and Spark are reached through a job server, too."""
  options = ['job_endpoint=embed', 'environment_type=LOOPBACK']
  create(folder, 'local', num_shards=2, deduplicate=True)
  engine = BeamEngine('FlinkRunner', options)
  create(folder, 'beam', engine, 2, deduplicate=True)
  assert contents(folder / 'beam') == contents(folder / 'local')


def test_remote_files_are_read_and_written(folder):
  create(folder, 'local', num_shards=2)
  remote = f'{SCHEME}{folder}'
  create(remote, 'beam', BeamEngine('DirectRunner'), 2)
  expected = contents(folder / 'local')
  manifest = expected.pop('out.manifest.json').replace(
    str(folder).encode(), remote.encode()
  )
  assert contents(folder / 'beam') == {
    **expected,
    'out.manifest.json': manifest,
  }


def test_a_failed_job_resumes(folder, monkeypatch):
  create(folder, 'local', num_shards=4)
  expected = contents(folder / 'local')
  engine = BeamEngine('DirectRunner')
  write = record_transforms._Make._write

  def refuse(self, made, shard):
    if made.number == 3:
      raise UserError('no room')
    return write(self, made, shard)

  monkeypatch.setattr(record_transforms._Make, '_write', refuse)
  with pytest.raises(UserError, match='^no room$'):
    create(folder, 'beam', engine, 4)
  assert [path.name for path in files_in(folder / 'beam')] == ['.out.parts']
  (parts,) = (folder / 'beam/.out.parts').iterdir()
  before = {path.name for path in parts.iterdir()}
  assert any('-000002-' in name for name in before)

  made = []

  def count(self, records, shard):
    made.append(records.number)
    return write(self, records, shard)

  monkeypatch.setattr(record_transforms._Make, '_write', count)
  create(folder, 'beam', engine, 4)
  assert contents(folder / 'beam') == expected
  assert set(made) == {3}


def test_complete_shards_are_kept(folder, monkeypatch):
  create(folder, 'beam', num_shards=4)
  expected = contents(folder / 'beam')
  path = folder / 'beam' / 'out-00002-of-00004'
  path.unlink()
  written = []
  writer = record_transforms.record_writer.RecordWriter

  def count(path, **options):
    written.append(pathlib.Path(path).name)
    return writer(path, **options)

  monkeypatch.setattr(record_transforms.record_writer, 'RecordWriter', count)
  create(folder, 'beam', BeamEngine('DirectRunner'), 4)
  assert contents(folder / 'beam') == expected
  assert {name for name in written if name.startswith('out')} == {path.name}
  assert all(name.startswith('00002-') for name in written[:-1])


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'a b\n' + b'\0' * 101, 't3.txt, line 2: found 101 NUL bytes from here'),
    (gzip.compress(b'a b c d\n' * 999, mtime=0)[:-20], 't3.txt is damaged'),
  ],
)
def test_damage_is_named_and_nothing_is_left(folder, content, message):
  (folder / 't3.txt').write_bytes(content)
  with pytest.raises(UserError, match=message) as caught:
    create(folder, 'beam', BeamEngine('DirectRunner'))
  assert 'while running' not in str(caught.value)
  assert not contents(folder / 'beam')


def test_no_document_and_too_many_shards_are_refused(folder):
  engine = BeamEngine('DirectRunner')
  with pytest.raises(UserError, match='too short for 999 output files'):
    create(folder, 'beam', engine, 999)
  for path in folder.glob('t*.txt'):
    path.write_text('\n')
  with pytest.raises(UserError, match='^no document in the input'):
    create(folder, 'none', engine)


@pytest.mark.parametrize(
  ('runner', 'options', 'message'),
  [
    ('DirectRunner', ['direct_num_workerz=2'], 'has no option direct_num_wo'),
    ('DirectRunner', ['direct_num_workers=x'], "invalid int value: 'x'"),
    ('DirectRunner', ['runner=FlinkRunner'], '`beam_runner` sets the runner'),
    ('FlinkRunner', ['job_endpoint=localhost:1'], 'no job server answers at'),
  ],
)
def test_wrong_options_are_named(runner, options, message):
  with pytest.raises(UserError, match=f'^`beam_pipeline_options`: .*{message}'):
    BeamEngine(runner, options)


def test_files_that_workers_cannot_reach_are_named(folder):
  with pytest.raises(UserError, match='DataflowRunner: .* reach /.*/t0.txt; '):
    create(folder, 'beam', BeamEngine('DataflowRunner', ['project=p']))
