"""Tests for the texts with ids that come with an export."""

import json

import pytest

from serving.exports import conformance


def _vectors(model, folder):
  path = folder / 'conformance.jsonl'
  conformance.write(model, str(path))
  content = path.read_bytes()
  assert content.isascii()
  return [json.loads(line) for line in content.splitlines()]


def test_the_ids_are_those_of_the_tokenizer(parts_of, tmp_path):
  vectors = _vectors(parts_of('classifier'), tmp_path)
  assert len({each['text'] for each in vectors}) == len(vectors) == 200
  by_text = {each['text']: each for each in vectors}
  # [UNK], [CLS] and [SEP] are 1, 2 and 3.
  assert by_text['']['input_ids'] == [2, 3]
  assert by_text['.']['input_ids'] == [2, 5, 3]
  assert by_text['a b']['input_ids'] == [2, 16, 1, 3]
  assert by_text['the ' * 600]['input_ids'] == [2, *[17] * 14, 3]
  assert by_text['the ' * 600]['input_type_ids'] == [0] * 16
  # The names of special tokens are text.
  assert by_text['[CLS]']['input_ids'] == [2, 1, 1, 1, 3]


def test_pairs_have_two_texts(parts_of, tmp_path):
  vectors = _vectors(parts_of('pairs'), tmp_path)
  assert len(vectors) == 200
  assert vectors[0].keys() == {
    *('text_a', 'text_b', 'input_ids', 'input_type_ids')
  }
  (found,) = [x for x in vectors if x['text_a'] == '.']
  kinds = found['input_type_ids']
  assert found['input_ids'][:3] == [2, 5, 3] and kinds[:3] == [0, 0, 0]
  assert set(kinds[3:]) <= {1}


@pytest.mark.parametrize('kind', ['classifier', 'pairs'])
def test_texts_do_not_depend_on_the_run(parts_of, kind):
  model = parts_of(kind)
  assert list(conformance.texts(model)) == list(conformance.texts(model))
