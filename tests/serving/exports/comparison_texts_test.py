"""The texts that an export is compared on."""

import pytest

from data.tasks import custom
from data.tasks.examples import Example
from serving.exports import comparison_texts, dev_set, parts
from serving.exports.comparison_texts import choose
from system.errors import UserError


@pytest.fixture
def teacher(teacher_world):
  return parts.read(str(teacher_world / 'teacher'))


def test_the_dev_set_is_the_default(teacher):
  dev = dev_set.read(teacher)
  source, chosen = choose(teacher, None, dev)
  assert source == 'the dev set of SST-2' and chosen == dev.texts


def test_texts_are_spread_over_a_large_dev_set(monkeypatch):
  monkeypatch.setattr(comparison_texts, '_MAX_DEV_TEXTS', 4)
  examples = [Example(f'{i}', f'text {i}', None, 'yes') for i in range(9)]
  dev = dev_set.DevSet(custom.classification(('no', 'yes')), examples)
  source, chosen = choose(None, None, dev)
  assert source == 'the dev set of custom with 9 texts, one in 3'
  assert chosen == ['text 0', 'text 3', 'text 6']
  few = dev_set.DevSet(dev.task, examples[:4])
  assert choose(None, None, few) == (
    'the dev set of custom',
    few.texts,
  )


def test_a_file_precedes_the_dev_set(teacher, tmp_path):
  path = tmp_path / 'texts.txt'
  path.write_text('a film\nthe plot\n')
  source, chosen = choose(teacher, str(path), dev_set.read(teacher))
  assert (source, chosen) == (str(path), ['a film', 'the plot'])
  path.write_text('a film\n\nthe plot\n\n \n')
  chosen = choose(teacher, str(path), None)[1]
  assert chosen == ['a film', '', 'the plot']


def test_a_line_for_a_model_of_pairs_holds_two_texts(parts_of, tmp_path):
  path = tmp_path / 'texts.txt'
  path.write_text('a film\tthe plot\n\n')
  model = parts_of('pairs')
  assert choose(model, str(path), None)[1] == [('a film', 'the plot')]
  path.write_text('a film\n')
  with pytest.raises(UserError, match='line 1: found 1 texts, expected two'):
    choose(model, str(path), None)


def test_built_in_texts_are_pairs_where_the_model_takes_them(parts_of):
  source, single = choose(parts_of('classifier'), None, None)
  assert source == '16 built-in texts'
  assert len(single) == len(set(single)) == 16
  pairs = choose(parts_of('pairs'), None, None)[1]
  assert pairs and all(a in single and b in single for a, b in pairs)
  assert all(b for _, b in pairs)  # Their tokenizer ends an empty B by [SEP].
