"""Tables of texts and scores, in all formats."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from distillation import score_rows
from distillation.score_options import ScoreOptions
from system.errors import UserError

_ROWS = [('good', 0.1, 0.9), ('a bad, "bad" film', 0.75, 0.25)]
_COLUMNS = ('sentence', 'probability_0', 'probability_1')


def _write(folder, ending):
  path = folder / f'scores.{ending}'
  records = [dict(zip(_COLUMNS, row, strict=True)) for row in _ROWS]
  if ending == 'parquet':
    parquet.write_table(pa.Table.from_pylist(records), path)
  elif ending == 'jsonl':
    path.write_text(''.join(json.dumps(x) + '\n' for x in records))
  elif ending == 'csv':
    path.write_text(
      ','.join(_COLUMNS) + '\ngood,.1,.9\n"a bad, ""bad"" film",.75,.25\n'
    )
  else:
    lines = ['\t'.join(_COLUMNS), *('\t'.join(map(str, x)) for x in _ROWS)]
    path.write_text('\n'.join(lines) + '\n')
  return str(path)


def _read(path, columns=('sentence',), labels=('0', '1'), **options):
  return score_rows.read(str(path), columns, labels, ScoreOptions(**options))


@pytest.mark.parametrize('ending', ['csv', 'tsv', 'jsonl', 'parquet'])
def test_every_format_gives_the_same_scores(tmp_path, ending):
  found = _read(_write(tmp_path, ending))
  assert [row.text_a for row in found.rows] == [text for text, *_ in _ROWS]
  np.testing.assert_allclose(
    np.exp([row.logits for row in found.rows]),
    [row[1:] for row in _ROWS],
    rtol=1e-5,
  )
  assert [row.text_b for row in found.rows] == [None, None]
  first = 2 if ending in ('csv', 'tsv') else 1
  assert [row.number for row in found.rows] == [first, first + 1]


def test_an_object_of_a_json_row_is_read(tmp_path):
  path = tmp_path / 'a.jsonl'
  path.write_text(
    '{"sentence": "x", "probabilities": {"1": 0.75, "0": 0.25}, "id": 7}\n'
  )
  found = _read(path)
  np.testing.assert_allclose(np.exp(found.rows[0].logits), [0.25, 0.75])
  assert found.unused == ['id']


def test_a_list_is_no_text(tmp_path):
  path = tmp_path / 'a.jsonl'
  path.write_text(
    '{"sentence": "x", "prediction": "1"}\n'
    '{"sentence": ["x", "y"], "prediction": "1"}\n'
  )
  with pytest.raises(UserError, match=r"line 2: 'sentence' is \['x', 'y'\], e"):
    _read(path)


def test_a_list_is_no_label(tmp_path):
  path = tmp_path / 'a.jsonl'
  path.write_text('{"sentence": "x", "prediction": ["1"]}\n')
  assert _read(path).bad == {'an unknown label': ['line 1 (\'["1"]\')']}


def test_a_column_that_later_rows_have_is_found(tmp_path):
  path = tmp_path / 'a.jsonl'
  path.write_text(
    '{"sentence": "x", "label": "1"}\n'
    '{"sentence": "y", "label": "0", "confidence": 0.75}\n'
  )
  found = _read(path, teacher_label_confidence=0.5)
  np.testing.assert_allclose(
    np.exp([row.logits for row in found.rows]), [[0.5, 0.5], [0.75, 0.25]]
  )
  assert found.num_bare == 1


def test_bad_rows_are_counted_by_kind_with_their_places(tmp_path):
  path = tmp_path / 'a.csv'
  path.write_text(
    'sentence,label\nx,0\n,1\ny,2\nz,3\n"  ",0\nw,1\n', encoding='utf-8'
  )
  found = _read(path)
  assert [row.text_a for row in found.rows] == ['x', 'w']
  assert found.bad == {
    'a blank text': ["line 3 ('')", "line 6 ('  ')"],
    'an unknown label': ["line 4 ('2')", "line 5 ('3')"],
  }
  assert found.describe_bad() == (
    "2 rows have a blank text: line 3 (''), line 6 ('  '); 2 rows have an "
    "unknown label: line 4 ('2'), line 5 ('3')"
  )


def test_nulls_and_nan_of_parquet_are_bad_rows(tmp_path):
  path = tmp_path / 'a.parquet'
  columns = {
    'sentence': ['x', 'y', 'z'],
    'logit_0': [1.0, float('nan'), None],
    'logit_1': [2.0, 0.0, 0.0],
  }
  parquet.write_table(pa.table(columns), path)
  found = _read(path)
  assert [row.logits.tolist() for row in found.rows] == [[1.0, 2.0]]
  assert found.bad == {'no score': ['row 2 (nothing)', 'row 3 (nothing)']}


def test_pairs_and_numbers_are_read(tmp_path):
  path = tmp_path / 'a.tsv'
  path.write_text('a\tb\tlabel\nx\ty\t4.5\n')
  (row,) = _read(path, ('a', 'b'), labels=()).rows
  assert row[:3] == (2, 'x', 'y') and row.logits.tolist() == [4.5]


def test_scaled_sums_are_counted(tmp_path):
  path = tmp_path / 'a.tsv'
  path.write_text(
    'sentence\tprobability_0\tprobability_1\nx\t.5\t.5\ny\t.5\t.49\n'
  )
  found = _read(path)
  assert found.num_rescaled == 1
  assert found.largest_sum_error == pytest.approx(0.01)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('text,label\nx,0\n', "expected a column 'sentence' with texts"),
    ('sentence,label\nx,0,1\n', 'line 2: found 3 columns'),
    ('', 'is empty'),
    ('sentence,label\n', 'holds no row'),
  ],
)
def test_malformed_tables_are_refused(tmp_path, content, message):
  path = tmp_path / 'a.csv'
  path.write_text(content)
  with pytest.raises(UserError, match=message):
    _read(path)
