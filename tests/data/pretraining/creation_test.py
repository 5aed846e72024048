"""Pre-training records, from the text to the files."""

import collections
import dataclasses
import functools
import gzip
import json

import numpy as np
import pytest
import tensorflow as tf

from data.pretraining import (
  block_records,
  blocks,
  creation,
  output_files,
  partitioning,
  shard_writer,
)
from data.pretraining.block_records import BlockRecords
from data.pretraining.masking import SpecialTokens
from data.pretraining.options import RecordOptions
from data.pretraining.record_statistics import RecordStatistics
from data.records import record_index, record_writer
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.tokenization import BertTokenizer
from data.text.vocabulary_options import TokenizerOptions
from system import file_systems, files
from system.errors import UserError

VOCABULARY = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *'abcdefgh', '##x']
CLS, SEP = 2, 3
# 'ax' is two wordpieces, 'a ##x'.
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
SMALL = RecordOptions(max_predictions_per_seq=4, max_seq_length=16)


@pytest.fixture
def folder(tmp_path):
  (tmp_path / 'vocab.txt').write_text('\n'.join(VOCABULARY) + '\n')
  (tmp_path / 'text.txt').write_text(TEXT)
  return tmp_path


def create(
  folder,
  options=SMALL,
  text='text.txt',
  output='out.tfrecord',
  num_shards=None,
  num_workers=2,
  **corpus_options,
) -> RecordStatistics:
  def paths(names: str) -> str:
    return ','.join(f'{folder}/{name}' for name in names.split(','))

  return creation.create_records(
    Corpus(CorpusOptions(paths(text), **corpus_options)),
    output_files.paths_of(paths(output), num_shards),
    TokenizerOptions(str(folder / 'vocab.txt')),
    options,
    num_workers,
  )


def read(path, length=16, predictions=4) -> list[dict[str, np.ndarray]]:
  """Reads records by google-research/bert's feature specification."""
  ints = functools.partial(tf.io.FixedLenFeature, dtype=tf.int64)
  spec = {
    'input_ids': ints([length]),
    'input_mask': ints([length]),
    'segment_ids': ints([length]),
    'masked_lm_positions': ints([predictions]),
    'masked_lm_ids': ints([predictions]),
    'masked_lm_weights': tf.io.FixedLenFeature([predictions], tf.float32),
    'next_sentence_labels': ints([1]),
  }
  return [
    {k: v.numpy() for k, v in tf.io.parse_single_example(r, spec).items()}
    for r in tf.data.TFRecordDataset(str(path))
  ]


def restored(record: dict[str, np.ndarray]) -> list[int]:
  """Returns the tokens before masking, without padding."""
  ids = record['input_ids'].copy()
  real = record['masked_lm_weights'] > 0
  ids[record['masked_lm_positions'][real]] = record['masked_lm_ids'][real]
  return ids[: record['input_mask'].sum()].tolist()


def segments(record: dict[str, np.ndarray]) -> tuple[list[int], list[int]]:
  ids = restored(record)
  end = ids.index(SEP)
  assert ids[0] == CLS and ids[-1] == SEP and ids.count(SEP) == 2
  return ids[1:end], ids[end + 1 : -1]


@pytest.mark.slow
@pytest.mark.parametrize('input_format', ['text', 'text_file', 'jsonl'])
def test_long_sentences_of_running_text_become_records(folder, input_format):
  text = 'ax bx cx dx ' * 50
  content = json.dumps({'text': text}) if input_format == 'jsonl' else text
  (folder / 'long.txt').write_text(f'{content}\n')
  options = dataclasses.replace(SMALL, dupe_factor=1, short_seq_prob=0.0)
  statistics = create(
    folder, options, 'long.txt', 'long', input_format=input_format
  )
  # 400 tokens, up to 13 in a record.
  assert statistics.records >= 31
  assert statistics.cut / 400 < 0.15
  lines = create(folder, options, 'long.txt', 'lines')
  assert lines.records == 1 and lines.cut > 387


def test_records_rebuild_the_text(folder):
  options = RecordOptions(max_seq_length=64, dupe_factor=3, short_seq_prob=0.0)
  create(folder, options)
  texts = collections.Counter()
  for record in read(folder / 'out.tfrecord', 64, 20):
    a, b = segments(record)
    texts.update(a)
    if not record['next_sentence_labels'][0]:
      texts.update(b)
  # In each round, every sentence is in A or in an actual next B once.
  words = TEXT.replace('x', ' ##x').split()
  expected = {VOCABULARY.index(w): 3 * words.count(w) for w in set(words)}
  assert texts == expected


def test_records_have_the_layout_of_the_original(folder):
  create(folder)
  for record in read(folder / 'out.tfrecord'):
    length = record['input_mask'].sum()
    a, b = segments(record)
    assert record['input_mask'].tolist() == [1] * length + [0] * (16 - length)
    expected = [0] * (len(a) + 2) + [1] * (len(b) + 1) + [0] * (16 - length)
    assert record['segment_ids'].tolist() == expected
    assert not record['input_ids'][length:].any()
    masked = min(4, max(1, round(length * 0.15)))
    weights = [1.0] * masked + [0.0] * (4 - masked)
    assert record['masked_lm_weights'].tolist() == weights
    positions = record['masked_lm_positions']
    assert (np.diff(positions[:masked]) > 0).all()
    assert not set(positions[:masked]) & {0, len(a) + 1, length - 1}
    assert not positions[masked:].any()
    assert not record['masked_lm_ids'][masked:].any()


def test_whole_word_masking_masks_whole_words(folder):
  (folder / 'text.txt').write_text('axx b cxx\n' * 30 + '\nh gx\n')
  options = RecordOptions(
    max_predictions_per_seq=7, do_whole_word_mask=True, max_seq_length=32
  )
  create(folder, options)
  piece = VOCABULARY.index('##x')
  whole = 0
  for record in read(folder / 'out.tfrecord', 32, 7):
    ids = restored(record)
    real = record['masked_lm_weights'] > 0
    masked = set(record['masked_lm_positions'][real].tolist())
    for i in range(2, len(ids)):
      if ids[i] == piece and ids[i - 1] not in (CLS, SEP):
        assert (i in masked) == (i - 1 in masked)
        whole += i in masked
  assert whole > 100


def test_same_flags_give_the_same_bytes(folder):
  for output in ('1', '2'):
    create(folder, output=output)
  assert (folder / '1').read_bytes() == (folder / '2').read_bytes()
  create(folder, dataclasses.replace(SMALL, random_seed=1), output='3')
  assert (folder / '1').read_bytes() != (folder / '3').read_bytes()


def test_gzip_gives_the_bytes_of_plain_text(folder):
  # Compression is recognised by the content, not by the name.
  (folder / 'packed.txt').write_bytes(gzip.compress(TEXT.encode()))
  create(folder, output='1')
  create(folder, text='packed.txt', output='2')
  assert (folder / '1').read_bytes() == (folder / '2').read_bytes()


def test_output_files_hold_consecutive_records(folder):
  create(folder, output='all')
  create(folder, output='0,1,2')
  whole = list(tf.data.TFRecordDataset(str(folder / 'all')).as_numpy_iterator())
  parts = [
    list(tf.data.TFRecordDataset(str(folder / name)).as_numpy_iterator())
    for name in '012'
  ]
  assert sum(parts, []) == whole
  assert max(map(len, parts)) - min(map(len, parts)) <= 1
  for name, part in zip('012', parts, strict=True):
    index = record_index.load_index(str(folder / name))
    assert index.num_records == len(part)


def test_a_document_ends_with_its_file(folder):
  (folder / 'more.txt').write_text('h h h\n')
  create(folder, text='text.txt,more.txt')
  manifest = files.read_json(str(folder / 'out.tfrecord.manifest.json'))
  assert manifest['documents'] == 4


def test_statistics_and_manifest_count_what_was_written(folder):
  statistics = create(folder)
  written = read(folder / 'out.tfrecord')
  assert statistics.records == len(written)
  assert statistics.tokens == sum(r['input_mask'].sum() for r in written)
  assert statistics.masked == sum(r['masked_lm_weights'].sum() for r in written)
  assert statistics.random_next == sum(
    r['next_sentence_labels'][0] for r in written
  )
  manifest = files.read_json(str(folder / 'out.tfrecord.manifest.json'))
  assert manifest['documents'] == 3
  assert manifest['num_records'] == len(written)
  assert manifest['statistics']['masked'] == statistics.masked
  assert manifest['flags']['max_seq_length'] == 16
  assert manifest['flags']['do_lower_case'] is True
  (shard,) = manifest['files']
  assert shard['bytes'] == (folder / 'out.tfrecord').stat().st_size
  index = files.read_json(str(folder / shard['index']))
  assert len(index['offsets']) == -(-len(written) // index['window'])


def test_single_sentence_is_labelled_random(folder):
  (folder / 'text.txt').write_text('a b c d e f g\n')
  statistics = create(folder)
  assert (statistics.records, statistics.random_next) == (10, 10)


def test_text_that_is_cut_off_is_counted_and_warned_of(folder, caplog):
  (folder / 'text.txt').write_text('a b c d e\n\n' * 20)
  create(folder)
  assert 'cut off: many' not in caplog.text
  (folder / 'text.txt').write_text(f'{"a b c d e " * 10}\n\n' * 20)
  statistics = create(folder)
  # Each pair has 50 + 50 tokens, a record has room for 13.
  assert statistics.cut == statistics.records * 87
  path = str(folder / 'out.tfrecord.manifest.json')
  assert files.read_json(path)['statistics']['cut_share'] == 0.87
  assert '87% of the tokens of all pairs were cut off' in caplog.text
  assert 'all 200 records have the label 1' in caplog.text


@pytest.fixture
def small_blocks(monkeypatch):
  """Blocks of a handful of documents, and small batches."""
  monkeypatch.setattr(
    creation,
    'Partitioning',
    functools.partial(partitioning.Partitioning, block_bytes=100),
  )
  monkeypatch.setattr(blocks, '_BATCH_CHARACTERS', 4)
  monkeypatch.setattr(block_records, '_BATCH_SIZE', 3)


@pytest.mark.usefixtures('small_blocks')
def test_text_with_many_blocks_uses_every_document(folder):
  (folder / 'text.txt').write_text('a b\n\nc d\n\ne\n\nf f\n\nh\n\n' * 3)
  create(folder, RecordOptions(max_seq_length=16, dupe_factor=1))
  written = read(folder / 'out.tfrecord', 16, 20)
  assert len(written) == 15
  assert len({tuple(segments(record)[0]) for record in written}) == 5


def contents(folder) -> dict[str, bytes]:
  """Returns the output files of a folder, by name."""
  return {
    path.name: path.read_bytes()
    for path in sorted(folder.iterdir())
    if path.name.startswith('out')
  }


@pytest.mark.usefixtures('small_blocks')
@pytest.mark.parametrize('num_shards', [None, 2, 15])
def test_bytes_do_not_depend_on_the_number_of_workers(folder, num_shards):
  (folder / 'text.txt').write_text(TEXT * 5)
  results = []
  for num_workers in (1, 2, 5):
    create(folder, num_shards=num_shards, num_workers=num_workers)
    results.append(contents(folder))
    for name in results[-1]:
      (folder / name).unlink()
  assert results[0] == results[1] == results[2]
  assert len(results[0]) == 2 * (num_shards or 1) + 1


@pytest.mark.usefixtures('small_blocks')
def test_bytes_do_not_depend_on_who_splits_sentences(folder):
  (folder / 'text.txt').write_text('A b. C d e.\nF g. H. A a.\n' * 20)
  create(folder, output='out_a', num_workers=1, input_format='text')
  create(folder, output='out_b', num_workers=4, input_format='text')
  once, again = ((folder / name).read_bytes() for name in ('out_a', 'out_b'))
  assert once == again


@pytest.mark.usefixtures('small_blocks')
def test_complete_shards_are_kept(folder, monkeypatch):
  (folder / 'text.txt').write_text(TEXT * 5)
  create(folder, num_shards=4)
  whole = contents(folder)
  made = []
  write_shard = shard_writer._write_shard

  def counted(job, shard, *more):
    made.append(shard)
    write_shard(job, shard, *more)

  monkeypatch.setattr(shard_writer, '_write_shard', counted)
  (folder / 'out.tfrecord-00002-of-00004').unlink()
  (folder / 'out.tfrecord.manifest.json').unlink()
  # A killed Beam job had left its parts.
  (folder / '.out.tfrecord.parts' / 'x').mkdir(parents=True)
  create(folder, num_shards=4)
  assert not (folder / '.out.tfrecord.parts').exists()
  assert made == [2]
  assert contents(folder) == whole
  # After another flag, other text or damage, shards are made again.
  create(folder, dataclasses.replace(SMALL, random_seed=1), num_shards=4)
  assert made == [2, 0, 1, 2, 3]
  (folder / 'text.txt').write_text(TEXT * 5 + 'h\n')
  create(folder, dataclasses.replace(SMALL, random_seed=1), num_shards=4)
  assert len(made) == 9
  with (folder / 'out.tfrecord-00001-of-00004').open('ab') as file:
    file.write(b'x')
  create(folder, dataclasses.replace(SMALL, random_seed=1), num_shards=4)
  assert made[9:] == [1]
  for i, content in enumerate(('[]', '{"details": [', '')):
    index = folder / f'out.tfrecord-0000{i}-of-00004.index.json'
    index.write_text(content)
  create(folder, dataclasses.replace(SMALL, random_seed=1), num_shards=4)
  assert made[10:] == [0, 1, 2]
  for name in ('num_records', 'checksum'):
    index = folder / 'out.tfrecord-00003-of-00004.index.json'
    content = files.read_json(str(index))
    files.write_json(str(index), {**content, name: 'x'})
    create(folder, dataclasses.replace(SMALL, random_seed=1), num_shards=4)
    assert made.pop() == 3 and files.read_json(str(index)) == content


def test_output_of_another_job_is_replaced_with_a_warning(folder, caplog):
  caplog.set_level('WARNING')
  create(folder)
  assert 'replacing' not in caplog.text
  create(folder, dataclasses.replace(SMALL, random_seed=1))
  assert 'replacing files made from other text or flags' in caplog.text
  assert f'damaged: {folder}/out.tfrecord' in caplog.text


@pytest.mark.usefixtures('small_blocks')
def test_a_full_disk_leaves_the_complete_shards(folder, monkeypatch):
  (folder / 'text.txt').write_text(TEXT * 5)
  create(folder, num_shards=3)
  whole = contents(folder)
  for name in whole:
    (folder / name).unlink()
  append = record_writer.RecordWriter._append

  def full(writer, framed):
    if '00001-of' in writer.path and writer.num_records:
      error = tf.errors.ResourceExhaustedError(None, None, 'no space left')
      with file_systems.explained('write', writer.path):
        raise error
    append(writer, framed)

  with monkeypatch.context() as patch:
    patch.setattr(record_writer.RecordWriter, '_append', full)
    with pytest.raises(UserError, match='00001-of-00003: no space left'):
      create(folder, num_shards=3)
  left = contents(folder)
  assert [*left] == ['out.tfrecord-00000-of-00003'] * 1 + [
    'out.tfrecord-00000-of-00003.index.json'
  ]
  assert not [p for p in folder.iterdir() if p.name.endswith('.tmp')]
  create(folder, num_shards=3)
  assert contents(folder) == whole


def test_records_without_masks_hold_the_text(folder):
  options = dataclasses.replace(SMALL, dynamic_masking=True)
  create(folder, options, output='unmasked')
  create(folder)
  parse = tf.train.Example.FromString
  unmasked = [
    parse(r.numpy()).features.feature
    for r in tf.data.TFRecordDataset(str(folder / 'unmasked'))
  ]
  masked = read(folder / 'out.tfrecord')
  assert len(masked) == len(unmasked)
  assert sorted(unmasked[0]) == [
    *['input_ids', 'input_mask', 'next_sentence_labels', 'segment_ids']
  ]
  for one, other in zip(masked, unmasked, strict=True):
    ids = [x for x in other['input_ids'].int64_list.value if x]
    assert restored(one) == ids


def test_sentence_order_takes_both_segments_from_one_passage(folder):
  (folder / 'text.txt').write_text('a b\nc d\ne f\n\nh h\nh h\n')
  options = RecordOptions(
    max_predictions_per_seq=4,
    max_seq_length=16,
    short_seq_prob=0.0,
    sentence_order_prediction=True,
  )
  create(folder, options)
  first = [VOCABULARY.index(c) for c in 'abcdef']
  labels = set()
  for record in read(folder / 'out.tfrecord'):
    a, b = segments(record)
    labels.add(int(record['next_sentence_labels'][0]))
    if record['next_sentence_labels'][0]:
      a, b = b, a
    assert a + b in (first, [VOCABULARY.index('h')] * 4)
  assert labels == {0, 1}


def test_option_outside_its_limits_is_named(folder):
  with pytest.raises(UserError, match='`max_seq_length`=4: expected 5 to'):
    create(folder, RecordOptions(max_seq_length=4))


@pytest.mark.parametrize(
  'content, message',
  [
    (b'\n\n', 'no document in the input'),
    (b'a b\n\nc d' + b'\0' * 101, 'text.txt, line 3: found 101 NUL bytes'),
    (b'a b\rc d\r', 'text.txt has 1 carriage returns'),
    (gzip.compress(b'a b c d\n' * 999, mtime=0)[:-20], 'text.txt is damaged'),
    (b'\x1f\x8bnot gzip', 'text.txt is damaged'),
  ],
)
def test_wrong_text_leaves_earlier_output(folder, content, message):
  create(folder)
  earlier = (folder / 'out.tfrecord').read_bytes()
  (folder / 'text.txt').write_bytes(content)
  names = sorted(path.name for path in folder.iterdir())
  with pytest.raises(UserError, match=message):
    create(folder)
  assert (folder / 'out.tfrecord').read_bytes() == earlier
  assert sorted(path.name for path in folder.iterdir()) == names


@pytest.mark.parametrize(
  'text, output, message',
  [
    ('none.txt', 'out', 'none.txt'),
    ('text.txt', 'out,out', 'twice'),
    ('text.txt', 'text.txt', 'is an input file, too'),
    ('text.txt', 'vocab.txt', 'is an input file, too'),
    ('text.txt', 'folder', 'folder.* is a folder'),
    ('text.txt', 'new/', "expected a file, found the folder '.*/new/'"),
    ('text.txt', 'folder/..', "expected a file, found the folder '.*/..'"),
    ('text.txt', 'vocab.txt/out', 'cannot write to'),
    ('folder', 'out', '`input_file`: .*folder.* is a folder'),
  ],
)
def test_wrong_paths_are_refused_first(folder, text, output, message):
  (folder / 'folder').mkdir()
  with pytest.raises(UserError, match=message):
    create(folder, text=text, output=output)


@pytest.mark.parametrize(
  'other', ['./text.txt', 'folder/..//text.txt', 'link.txt', 'linked/text.txt']
)
def test_a_file_is_recognised_under_any_name(folder, monkeypatch, other):
  (folder / 'folder').mkdir()
  (folder / 'link.txt').symlink_to(folder / 'text.txt')
  (folder / 'linked').symlink_to(folder)
  with pytest.raises(UserError, match='is an input file, too'):
    create(folder, output=f'out,{other}')
  with pytest.raises(UserError, match='names the file .* twice'):
    create(folder, text='vocab.txt', output=f'text.txt,{other}')
  assert (folder / 'text.txt').read_text() == TEXT


def test_a_wildcard_leaves_out_the_job_s_own_files(folder):
  def corpus(outputs, names=f'{folder}/t*'):
    is_own = output_files.own_files(outputs)
    return Corpus(CorpusOptions(names), is_own=is_own).paths

  create(folder, output='t.tfrecord', num_shards=2)
  outputs = output_files.paths_of(f'{folder}/t.tfrecord', 2)
  matched = sorted(str(x) for x in folder.glob('t*'))
  assert len(matched) == 6
  assert corpus(outputs) == [f'{folder}/text.txt']
  assert corpus([]) == matched
  # A text is not overwritten, and a named file is meant.
  assert f'{folder}/text.txt' in corpus([f'{folder}/text.txt'])
  assert corpus(outputs, outputs[0]) == [outputs[0]]


def test_text_without_a_token_is_named(folder):
  (folder / 'text.txt').write_text('\x01\n')
  with pytest.raises(UserError, match='none of its sentences has a token'):
    create(folder)


def test_more_output_files_than_records_are_refused(folder):
  (folder / 'text.txt').write_text('a b\n')
  with pytest.raises(UserError, match='too short for 2 output files'):
    create(
      folder, RecordOptions(max_seq_length=16, dupe_factor=1), output='1,2'
    )
  assert not (folder / '2').exists()


def _statistics(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Computes the statistics of `pretraining_reference.json`."""
  lengths = columns['input_mask'].sum(axis=1).astype(int)
  rows, slots = np.nonzero(columns['masked_lm_weights'])
  positions = columns['masked_lm_positions'][rows, slots]
  labels = columns['masked_lm_ids'][rows, slots]
  ids = columns['input_ids'][rows, positions]
  is_mask, is_kept = ids == 103, ids == labels
  edges = [0, 16, 32, 48, 64, 80, 96, 112, 128, 129]
  return {
    'length_histogram': np.histogram(lengths, edges)[0] / len(lengths),
    'mean_relative_mask_position': np.mean(positions / lengths[rows]),
    'instances': len(lengths),
    'mean_length': lengths.mean(),
    'fraction_length_128': np.mean(lengths == 128),
    'fraction_length_below_64': np.mean(lengths < 64),
    'mean_masked': len(rows) / len(lengths),
    'masked_over_length': len(rows) / lengths.sum(),
    'fraction_random_next': columns['next_sentence_labels'].mean(),
    'mean_segment_b': columns['segment_ids'].sum(axis=1).mean(),
    'fraction_mask_token': is_mask.mean(),
    'fraction_kept': is_kept.mean(),
    'fraction_random_token': np.mean(~is_mask & ~is_kept),
  }


@pytest.mark.parametrize(
  'kind, whole_words',
  [('wordpiece_masking', False), ('whole_word_masking', True)],
)
def test_statistics_are_those_of_the_original(
  shared_data, fixtures_dir, kind, whole_words
):
  path = fixtures_dir / 'pretraining_reference.json'
  reference = json.loads(path.read_text())
  vocab_file = str(shared_data / 'vocab' / 'uncased_vocab.txt')
  tokenizer = BertTokenizer(vocab_file, True)
  text_file = str(shared_data / 'wiki' / 'heldout.txt.gz')
  corpus = Corpus(CorpusOptions(text_file))
  texts = [document.text for document in corpus.read(0)]
  block = blocks.make_block(texts, corpus, tokenizer, 128)
  options = RecordOptions(do_whole_word_mask=whole_words, dupe_factor=5)
  columns = BlockRecords(
    block, 0, SpecialTokens.of(tokenizer.vocabulary), options
  ).columns(slice(None))
  statistics = _statistics(columns)
  assert statistics.keys() == reference[kind].keys()
  for name, value in statistics.items():
    mean = np.array(reference[kind][name]['mean'])
    spread = 3 * np.array(reference[kind][name]['sd'])
    assert (abs(value - mean) <= np.maximum(spread, 0.005 * mean)).all(), name
