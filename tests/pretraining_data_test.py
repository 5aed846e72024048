import collections
import dataclasses
import functools
import gzip
import json

import numpy as np
import pytest
import tensorflow as tf

from data import documents, pretraining_data, records
from data.errors import UserError
from data.masking import Special
from data.pretraining_records import BlockRecords, Options
from data.tokenization import BertTokenizer

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
SMALL = Options(max_seq_length=16, max_predictions_per_seq=4)


@pytest.fixture
def folder(tmp_path):
  (tmp_path / 'vocab.txt').write_text('\n'.join(VOCABULARY) + '\n')
  (tmp_path / 'text.txt').write_text(TEXT)
  return tmp_path


def create(folder, options=SMALL, text='text.txt', output='out.tfrecord'):
  return pretraining_data.create(
    ','.join(str(folder / name) for name in text.split(',')),
    ','.join(str(folder / name) for name in output.split(',')),
    str(folder / 'vocab.txt'),
    True,
    options,
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
  """Puts the labels back; returns the tokens without padding."""
  ids = record['input_ids'].copy()
  real = record['masked_lm_weights'] > 0
  ids[record['masked_lm_positions'][real]] = record['masked_lm_ids'][real]
  return ids[: record['input_mask'].sum()].tolist()


def segments(record: dict[str, np.ndarray]) -> tuple[list[int], list[int]]:
  ids = restored(record)
  end = ids.index(SEP)
  assert ids[0] == CLS and ids[-1] == SEP and ids.count(SEP) == 2
  return ids[1:end], ids[end + 1 : -1]


def test_records_rebuild_the_text(folder):
  options = Options(max_seq_length=64, dupe_factor=3, short_seq_prob=0.0)
  create(folder, options)
  texts = collections.Counter()
  for record in read(folder / 'out.tfrecord', 64, 20):
    a, b = segments(record)
    texts.update(a)
    if not record['next_sentence_labels'][0]:
      texts.update(b)
  # Every sentence is A or an actual B once in each round.
  words = TEXT.replace('x', ' ##x').split()
  expected = {VOCABULARY.index(w): 3 * words.count(w) for w in set(words)}
  assert texts == expected


def test_records_are_laid_out_like_the_originals(folder):
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
  options = Options(
    do_whole_word_mask=True, max_seq_length=32, max_predictions_per_seq=7
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
  # Known by its content, not by its name.
  (folder / 'packed.txt').write_bytes(gzip.compress(TEXT.encode()))
  create(folder, output='1')
  create(folder, text='packed.txt', output='2')
  assert (folder / '1').read_bytes() == (folder / '2').read_bytes()


def test_output_files_take_records_in_turn(folder):
  create(folder, output='all')
  create(folder, output='0,1,2')
  whole = list(tf.data.TFRecordDataset(str(folder / 'all')).as_numpy_iterator())
  for i in range(3):
    part = tf.data.TFRecordDataset(str(folder / str(i))).as_numpy_iterator()
    assert list(part) == whole[i::3]
    index = records.load_index(str(folder / str(i)))
    assert index.num_records == len(whole[i::3])


def test_globs_and_lists_name_the_input(folder):
  (folder / 'more.txt').write_text('\nh h h\n')
  (folder / 'vocab.txt').rename(folder / 'vocab')
  (folder / 'vocab.txt').mkdir()
  summary = pretraining_data.create(
    f'{folder}/t*.txt,{folder}/more.txt',
    str(folder / 'out'),
    str(folder / 'vocab'),
    True,
    SMALL,
  )
  assert summary.documents == 4


def test_summary_counts_what_was_written(folder):
  summary = create(folder)
  written = read(folder / 'out.tfrecord')
  assert summary.documents == 3
  assert summary.records == len(written)
  assert summary.tokens == sum(r['input_mask'].sum() for r in written)
  assert summary.masked == sum(r['masked_lm_weights'].sum() for r in written)
  assert summary.random_next == sum(
    r['next_sentence_labels'][0] for r in written
  )


def test_single_document_ends_and_is_labelled_random(folder):
  (folder / 'text.txt').write_text('a b c d e f g\n')
  summary = create(folder)
  assert (summary.documents, summary.records) == (1, 10)
  assert summary.random_next == 10


def test_text_with_many_blocks_uses_every_document(folder, monkeypatch):
  small = functools.partial(documents.BlockReader, block_documents=2)
  monkeypatch.setattr(documents, 'BlockReader', small)
  (folder / 'text.txt').write_text('a b\n\nc d\n\ne\n\nf f\n\nh\n')
  summary = create(folder, Options(max_seq_length=16, dupe_factor=1))
  assert (summary.documents, summary.records) == (5, 5)
  written = read(folder / 'out.tfrecord', 16, 20)
  assert len({tuple(segments(record)[0]) for record in written}) == 5


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'max_seq_length': 4}, '--max_seq_length is 4; expected 5 to'),
    ({'max_predictions_per_seq': 0}, '--max_predictions_per_seq is 0'),
    ({'dupe_factor': 0}, '--dupe_factor is 0; expected 1 or more'),
    ({'masked_lm_prob': 0.0}, '--masked_lm_prob is 0.0'),
    ({'masked_lm_prob': 1.0}, '--masked_lm_prob is 1.0'),
    ({'short_seq_prob': 1.5}, '--short_seq_prob is 1.5; expected 0 to 1'),
  ],
)
def test_option_out_of_range_is_named(folder, changes, message):
  with pytest.raises(UserError, match=message):
    create(folder, Options(**changes))


@pytest.mark.parametrize(
  'content, message',
  [
    (b'\n\n', 'no document in .*text.txt'),
    (b'a b\n\nc\xe9 d\n', 'text.txt, line 3'),
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
    ('text.txt', 'vocab.txt/out', 'cannot write to'),
    ('folder', 'out', '--input_file: .*folder.* is a folder'),
  ],
)
def test_wrong_paths_are_refused_first(folder, text, output, message):
  (folder / 'folder').mkdir()
  with pytest.raises(UserError, match=message):
    create(folder, text=text, output=output)


@pytest.mark.parametrize(
  'other', ['./text.txt', 'folder/..//text.txt', 'link.txt', 'linked/text.txt']
)
def test_a_file_is_known_however_it_is_named(folder, monkeypatch, other):
  (folder / 'folder').mkdir()
  (folder / 'link.txt').symlink_to(folder / 'text.txt')
  (folder / 'linked').symlink_to(folder)
  with pytest.raises(UserError, match='is an input file, too'):
    create(folder, output=f'out,{other}')
  with pytest.raises(UserError, match='names the file .* twice'):
    create(folder, text='vocab.txt', output=f'text.txt,{other}')
  monkeypatch.chdir(folder)
  with pytest.raises(UserError, match='is an input file, too'):
    pretraining_data.create(
      str(folder / 'text.txt'), other, str(folder / 'vocab.txt'), True, SMALL
    )
  assert (folder / 'text.txt').read_text() == TEXT


def test_a_file_that_cannot_be_completed_leaves_all_as_they_were(
  folder, monkeypatch
):
  outputs = ('a', 'b', 'c')
  for name in outputs:
    (folder / name).write_text('earlier')
  names = sorted(path.name for path in folder.iterdir())

  class Writer(tf.io.TFRecordWriter):
    def __init__(self, path):
      super().__init__(path)
      self._path = path

    def close(self):
      super().close()
      if '.b.' in self._path:
        raise tf.errors.ResourceExhaustedError(None, None, 'no space left')

  monkeypatch.setattr(tf.io, 'TFRecordWriter', Writer)
  with pytest.raises(UserError, match='cannot write .*/b: no space left'):
    create(folder, output=','.join(outputs))
  assert {(folder / name).read_text() for name in outputs} == {'earlier'}
  assert sorted(path.name for path in folder.iterdir()) == names


def test_more_output_files_than_records_are_refused(folder):
  (folder / 'text.txt').write_text('a b\n')
  with pytest.raises(UserError, match='names 2 files.* only 1 records'):
    create(folder, Options(max_seq_length=16, dupe_factor=1), output='1,2')
  assert not (folder / '1').exists()


def _statistics(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Computes the figures of `pretraining_reference.json`."""
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
def test_statistics_are_the_originals(
  shared_data, fixtures_dir, kind, whole_words
):
  path = fixtures_dir / 'pretraining_reference.json'
  reference = json.loads(path.read_text())
  vocab_file = str(shared_data / 'vocab' / 'uncased_vocab.txt')
  tokenizer = BertTokenizer(vocab_file, True)
  tokenize = functools.partial(pretraining_data._ids, tokenizer)
  text = str(shared_data / 'wiki' / 'heldout.txt.gz')
  (block,) = documents.BlockReader([text], tokenize)
  special = Special(
    tokenizer.cls_id,
    tokenizer.sep_id,
    tokenizer.mask_id,
    tokenizer.continuation_mask,
  )
  options = Options(do_whole_word_mask=whole_words, dupe_factor=5)
  batches = list(BlockRecords(block, 0, special, options))
  columns = {
    name: np.concatenate([batch[name] for batch in batches])
    for name in batches[0]
  }
  statistics = _statistics(columns)
  assert statistics.keys() == reference[kind].keys()
  for name, value in statistics.items():
    mean = np.array(reference[kind][name]['mean'])
    spread = 3 * np.array(reference[kind][name]['sd'])
    assert (abs(value - mean) <= np.maximum(spread, 0.005 * mean)).all(), name
