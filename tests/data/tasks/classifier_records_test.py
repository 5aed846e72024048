"""Examples as records, with values worked out by hand."""

import pytest
import tiny_world

from data.records import record_reader
from data.tasks import classifier_records, custom, glue
from data.tasks.examples import Example
from data.text.tokenization import BertTokenizer
from data.text.vocabulary import Vocabulary
from system.errors import UserError


@pytest.fixture
def tokenizer(world):
  return BertTokenizer(str(world / 'vocab.txt'))


def _written(folder, task, tokenizer, examples):
  """Writes examples as records of 5 tokens; returns their fields as lists."""
  path = str(folder / 'records')
  classifier_records.write_records(path, examples, task, tokenizer, 5)
  source = classifier_records.source(path, task, tokenizer, 5)
  fields = source.parse([*record_reader.read(path)])
  return {name: value.numpy().tolist() for name, value in fields.items()}


def test_records_are_padded_and_labels_are_encoded(tmp_path, tokenizer):
  examples = [Example('0', 'a', None, '1'), Example('1', 'a', None, None)]
  fields = _written(tmp_path, glue.get_task('SST-2'), tokenizer, examples)
  token = tiny_world.VOCABULARY.index('a')
  ids = [tokenizer.cls_id, token, tokenizer.sep_id, 0, 0]
  assert fields == {
    'input_ids': [ids] * 2,
    'input_mask': [[1, 1, 1, 0, 0]] * 2,
    'segment_ids': [[0] * 5] * 2,
    'label_ids': [1, 0],  # 0 where the label is missing.
    'is_real_example': [1, 1],
  }


def test_padding_is_zero_wherever_the_vocabulary_has_pad(tmp_path):
  tokens = ['a', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '[PAD]']
  tokenizer = BertTokenizer(Vocabulary(tokens))
  examples = [Example('0', 'a', None, '1')]
  fields = _written(tmp_path, glue.get_task('SST-2'), tokenizer, examples)
  assert fields['input_ids'] == [[2, 0, 3, 0, 0]]


def test_labels_of_a_regression_task_are_floats(tmp_path, tokenizer):
  task = custom.regression(custom.in_files())
  fields = _written(tmp_path, task, tokenizer, [Example('0', 'a', None, '2.5')])
  assert fields['label_ids'] == [2.5]


def test_no_examples_are_an_error(tmp_path, tokenizer):
  with pytest.raises(UserError, match='no examples to write to .*records'):
    _written(tmp_path, glue.get_task('SST-2'), tokenizer, [])


def test_the_checksum_covers_texts_and_labels_but_not_ids():
  def checksum(*fields):
    return classifier_records.checksum([Example(*fields)])

  expected = checksum('0', 'a', 'b', '1')
  assert checksum('7', 'a', 'b', '1') == expected
  others = [('a', 'c', '1'), ('a', None, '1'), ('a', 'b', None)]
  assert expected not in [checksum('0', *fields) for fields in others]
