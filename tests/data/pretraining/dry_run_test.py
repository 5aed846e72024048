"""A dry run shows samples and an estimate."""

import re

import pyarrow
import pytest
from pyarrow import parquet

from data.pretraining import dry_run
from data.pretraining.options import RecordOptions
from data.text.corpus import Corpus
from data.text.corpus_options import CorpusOptions
from data.text.vocabulary_options import TokenizerOptions
from system.errors import UserError

TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *'abcdefgh', '##x']
SMALL = RecordOptions(max_predictions_per_seq=4, max_seq_length=16)


@pytest.fixture
def folder(tmp_path):
  (tmp_path / 'vocab.txt').write_text('\n'.join(TOKENS))
  (tmp_path / 'text.txt').write_text('a b c\nd ax f\n\ng h\nb\n' * 50)
  return tmp_path


def lines(
  folder, options=SMALL, text='text.txt', input_format='bert'
) -> list[str]:
  corpus = Corpus(CorpusOptions(str(folder / text), input_format))
  vocabulary = TokenizerOptions(str(folder / 'vocab.txt'))
  return list(dry_run.run(corpus, vocabulary, options, 2))


def test_ten_records_are_shown_with_their_masks(folder):
  printed = lines(folder)
  heads = [line for line in printed if line.startswith('Record ')]
  assert len(heads) == 10
  assert re.fullmatch(r'Record 0, next_sentence_labels=[01]:', heads[0])
  records = [
    line.split()
    for head, line in zip(printed, printed[1:], strict=False)
    if head in heads
  ]
  assert all(r[0] == '[CLS]' and r.count('[SEP]') == 2 for r in records)
  masked = [word for record in records for word in record if '{' in word]
  assert len(masked) >= 10
  known = '|'.join(map(re.escape, TOKENS))
  assert all(re.fullmatch(rf'({known}){{({known})}}', m) for m in masked)


def test_nothing_is_written(folder):
  before = sorted(path.name for path in folder.iterdir())
  lines(folder)
  assert sorted(path.name for path in folder.iterdir()) == before


def test_records_without_masks_are_shown(folder):
  printed = lines(
    folder, RecordOptions(max_seq_length=16, dynamic_masking=True)
  )
  assert not any('{' in line for line in printed)


def test_the_whole_job_is_estimated_from_the_sample(folder, monkeypatch):
  monkeypatch.setattr(dry_run, 'BLOCK_BYTES', 100)
  (folder / 'text.txt').write_text('a b c d\n\n' * 100_000)
  *_, sample, whole = lines(folder)
  assert 'The sample: 15 documents' in sample  # Of 7 bytes each.
  documents = int(re.search(r'([\d,]+) documents', whole)[1].replace(',', ''))
  assert abs(documents - 100_000) < 2_000
  assert 'records/s' in whole and 'B on disk' in whole


def test_text_that_fits_the_sample_is_counted_exactly(folder):
  table = pyarrow.table({'text': ['a b c. d e.'] * 69})
  parquet.write_table(table, folder / 'text.parquet')
  *_, whole = lines(folder, text='text.parquet', input_format='parquet')
  assert ' 69 documents' in whole


def test_text_without_documents_is_refused(folder):
  (folder / 'empty.txt').write_text('\n\n')
  with pytest.raises(UserError, match='empty.txt: no document'):
    lines(folder, text='empty.txt')
  (folder / 'latin.txt').write_bytes(b'\xe9\n')
  with pytest.raises(UserError, match='latin.txt: left out: 1 not UTF-8'):
    lines(folder, text='latin.txt')
