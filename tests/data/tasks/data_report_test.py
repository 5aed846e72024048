"""The report on a job's data, on small splits counted by hand."""

import json

import numpy as np
import pytest

from data.tasks import custom, data_report, text_encoding
from data.tasks.data_report_lines import describe
from data.tasks.examples import Example
from data.text.tokenization import BertTokenizer
from data.text.vocabulary import Vocabulary

LABELS = custom.classification(('no', 'yes'))
NUMBERS = custom.regression({})


def _split(*rows):
  return [Example(str(n), *row) for n, row in enumerate(rows)]


def _words(examples):
  words = [e.text_a.split() for e in examples]
  return data_report.Measured(
    np.array([len(x) + 2 for x in words]),
    np.array([x.count('?') for x in words]),
  )


def _make(task, splits, max_seq_length=4, longest=8):
  return data_report.make(task, splits, _words, max_seq_length, longest)


def test_a_report_by_hand():
  train = _split(
    ('a b', None, 'yes'),
    ('A  b', None, 'no'),  # The same text with another label.
    ('c d e', None, 'yes'),
    ('f', None, 'yes'),
    ('', None, 'yes'),
  )
  dev = _split(('ab', None, 'no'), ('AB', None, 'no'), ('g h', None, 'yes'))
  report = _make(LABELS, {'train': train, 'dev': dev, 'test': []})
  assert report.keys() == {'max_seq_length', 'splits', 'faults'}
  assert report['max_seq_length'] == 4
  assert report['splits'] == {
    'train': {
      'num_examples': 5,
      'num_unlabelled': 0,
      'labels': {'no': 1, 'yes': 4},
      'num_repeated_texts': 1,
      'num_repeated_examples': 2,
      'num_repeated_with_different_labels': 1,
      'first_with_different_labels': "'a b'",
      'num_empty': 1,
      'num_also_in': {},
      'lengths': {
        'num_measured': 5,
        'unknown_share': 0.0,
        'median': 4,
        'percentile_95': 4,
        'longest': 5,
        'share_cut_at': {'4': 0.2, '8': 0.0},
      },
    },
    'dev': {
      'num_examples': 3,
      'num_unlabelled': 0,
      'labels': {'no': 2, 'yes': 1},
      'num_repeated_texts': 1,
      'num_repeated_examples': 2,
      'num_repeated_with_different_labels': 0,
      'first_with_different_labels': None,
      'num_empty': 0,
      'num_also_in': {'train': 2},
      'lengths': {
        'num_measured': 3,
        'unknown_share': 0.0,
        'median': 3,
        'percentile_95': 3,
        'longest': 4,
        'share_cut_at': {'4': 0.0, '8': 0.0},
      },
    },
  }
  assert report['faults'] == [
    '2 of 3 texts of dev are also in train: scores on dev will be too good.'
  ]
  assert describe(report) == [
    'Data: train 5, dev 3 examples. Labels of train: no 20 %, yes 80 %; dev: '
    'no 67 %, yes 33 %.',
    'Texts that occur more than once: 1 of train (1 with different labels, the '
    "first is 'a b'), 1 of dev. Empty texts: 1. Texts that another split has, "
    'too: 2 of dev in train.',
    'Tokens, [CLS] and [SEP] included, in train: median 4, 95th percentile 4, '
    'longest 5; `max_seq_length`=4 cuts 20 % of the texts, 8 would cut 0 %.',
  ]


def test_pairs_are_one_text():
  train = _split(('a', 'b', 'no'), ('a', 'c', 'yes'), ('A', 'b ', 'no'))
  dev = _split(('b', 'a', 'no'), ('a', '', 'no'), ('a', 'c', 'no'))
  splits = _make(LABELS, {'train': train, 'dev': dev})['splits']
  assert splits['train']['num_repeated_texts'] == 1
  assert splits['train']['num_repeated_with_different_labels'] == 0
  assert splits['dev']['num_also_in'] == {'train': 1}
  assert splits['dev']['num_empty'] == 1


def test_numbers_and_missing_labels():
  train = _split(('a', None, '1'), ('b', None, '-2'), ('c', None, '2.5'))
  test = _split(('d', None, '3'), ('e', None, None))
  report = _make(NUMBERS, {'train': train, 'test': test})
  assert report['splits']['train']['numbers'] == {
    'mean': 0.5,
    'deviation': pytest.approx(3.5**0.5),  # Of 0.5, -2.5 and 2.
    'lowest': -2.0,
    'highest': 2.5,
  }
  assert report['splits']['test']['num_unlabelled'] == 1
  assert describe(report)[0] == (
    'Data: train 3, test 2 examples. Labels of train: numbers from -2 to 2.5, '
    'mean 0.5; test: numbers from 3 to 3, mean 3 (1 examples have none).'
  )
  unlabelled = _make(LABELS, {'test': _split(('a', None, None))})
  assert 'labels' not in unlabelled['splits']['test']
  assert 'Labels of test: none.' in describe(unlabelled)[0]


@pytest.mark.parametrize(
  ('numbers', 'words'),
  [
    (('0', '5', '2.5'), None),
    (('80', '920'), 'the mean 500 and the standard deviation 420'),
    (('-30', '30'), 'the mean 0 and the standard deviation 30'),
    (('2019', '2021'), 'the mean 2020 and the standard deviation 1'),
    (('-99', '-101'), 'the mean -100 and the standard deviation 1'),
  ],
)
def test_numbers_that_a_model_cannot_learn_are_a_fault(numbers, words):
  train = _split(*((f'text {x}', None, x) for x in numbers))
  faults = _make(NUMBERS, {'train': train})['faults']
  if words:
    [fault] = faults
    assert words in fault and 'subtract the mean' in fault
  else:
    assert faults == []


def test_of_many_labels_the_largest_and_smallest_are_listed():
  labels = tuple(f'l{n:02}' for n in range(12))
  rows = [
    (f'{n} {k}', None, f'l{n:02}') for n in range(12) for k in range(n + 1)
  ]
  report = _make(custom.classification(labels), {'train': _split(*rows)})
  assert (
    "12 labels, the largest 'l11' 15 %, 'l10' 14 %, 'l09' 13 %, the smallest "
    "'l02' 3.8 %, 'l01' 2.6 %, 'l00' 1.3 %."
  ) in describe(report)[0]


def test_faults_are_warned_of(caplog):
  train = _split(*[(f'{n}', None, 'no') for n in range(50)])
  dev = _split(('x', None, 'yes'), ('y', None, 'no'))
  report = _make(LABELS, {'train': train, 'dev': dev})
  assert report['faults'] == [
    "No example of train has these labels of dev: 'yes'. A model cannot learn "
    'them.',
    "100.0% of train has the label 'no': a model that always answers 'no' has "
    'that accuracy.',
  ]
  with caplog.at_level('INFO', 'absl'):
    data_report.show(report)
  levels = [record.levelname for record in caplog.records]
  assert levels == ['INFO'] * 3 + ['WARNING'] * 2
  # 95 % are no fault, and half of dev is none.
  train = _split(*[(f'{n}', None, 'yes' if n else 'no') for n in range(20)])
  dev = _split(('1', None, 'yes'), ('z', None, 'no'))
  assert not _make(LABELS, {'train': train, 'dev': dev})['faults']


@pytest.mark.parametrize(
  ('num_words', 'text'),
  [
    (2, 'cuts none'),
    (3, 'cuts 100 % of the texts, 8 would cut 0 %'),
    (9, 'cuts 100 % of the texts, 16 would cut 0 %'),
    (30, 'cuts 100 % of the texts, 20 would cut 100 %'),
  ],
)
def test_a_longer_input_is_proposed(num_words, text):
  train = _split(
    ('a ' * num_words, None, 'no'), ('b ' * num_words, None, 'yes')
  )
  report = _make(LABELS, {'train': train}, longest=20)
  assert describe(report)[2].endswith(f'`max_seq_length`=4 {text}.')
  if num_words == 30:
    full = _make(LABELS, {'train': train}, longest=4)
    assert describe(full)[2].endswith('cuts 100 % of the texts.')


def test_of_much_text_a_part_is_measured(monkeypatch):
  monkeypatch.setattr(data_report, '_MAX_CHARACTERS', 10)
  train = _split(*[('a b', None, 'no')] * 10)
  report = _make(LABELS, {'train': train})
  assert report['splits']['train']['lengths']['num_measured'] == 4
  assert 'included, in 4 texts of train: median 4,' in describe(report)[2]
  # 18 characters: every second text.
  report = _make(LABELS, {'train': train[:6]})
  assert report['splits']['train']['lengths']['num_measured'] == 3


def test_a_length_that_cuts_five_percent_is_proposed():
  texts = [('a ' * n, None, 'no') for n in (3, *[4] * 18, 7)]
  report = _make(LABELS, {'train': _split(*texts)}, longest=16)
  assert describe(report)[2].endswith(
    '`max_seq_length`=4 cuts 100 % of the texts, 8 would cut 5.0 %.'
  )


def test_texts_that_the_vocabulary_lacks_are_a_fault():
  train = _split(('a b', None, 'no'), ('? ?', None, 'yes'))
  report = _make(LABELS, {'train': train})
  assert report['splits']['train']['lengths']['unknown_share'] == 0.5
  assert [x for x in report['faults'] if '50% of the tokens of train are' in x]


def test_lengths_are_those_of_records(monkeypatch):
  monkeypatch.setattr(data_report, '_CHUNK', 2)
  specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
  tokenizer = BertTokenizer(Vocabulary([*specials, 'a', '##b', '.']))
  measure = data_report.measure_with(tokenizer)
  for texts_b in (None, ['a', '', 'a.a']):
    texts_a = ['ab a', '', 'a. a é']
    ids, _ = text_encoding.encode_texts(tokenizer, texts_a, texts_b, 99)
    rows = zip(texts_a, texts_b or [None] * 3, ['no'] * 3, strict=True)
    found = measure(_split(*rows))
    assert found.lengths.tolist() == ids.row_lengths().numpy().tolist()
    unknown = [row.count(tokenizer.unk_id) for row in ids.to_list()]
    assert found.unknown.tolist() == unknown


def test_the_report_is_a_file(tmp_path):
  train = _split(('a b c', None, 'no'))
  report = _make(LABELS, {'train': train}, 4, longest=16)
  data_report.write(report, str(tmp_path))
  path = tmp_path / 'data_report.json'
  read = json.loads(path.read_text())
  assert read == report and describe(read) == describe(report)
