"""Reading the texts to predict; transfer_text_test.py tests other files."""

import pytest

from data.tasks import custom, glue, text_rows
from data.tasks.examples import Example, Fields
from system.errors import UserError

SINGLE, PAIR = glue.get_task('SST-2'), glue.get_task('QQP')


def _read(folder, name, content, task):
  path = folder / name
  path.write_text(content)
  return text_rows.read_examples(str(path), task)


def test_lines_and_tables_become_examples_without_labels(tmp_path):
  expected = [Example('1', 'a b', None, None), Example('2', 'c', None, None)]
  assert _read(tmp_path, 'x.txt', 'a b\nc\n', SINGLE) == expected
  table = 'sentence\tlabel\na b\t1\nc\t0\n'
  read = _read(tmp_path, 'x.tsv', table, SINGLE)
  assert [(e.text_a, e.label) for e in read] == [('a b', None), ('c', None)]
  assert [e.example_id for e in read] == ['2', '3']
  assert _read(tmp_path, 'p.txt', 'a\tb\n', PAIR) == [
    Example('1', 'a', 'b', None)
  ]


def test_the_columns_are_those_of_the_task(tmp_path):
  splits = custom.in_files(Fields('review'))
  task = custom.classification(('0', '1'), splits)
  [example] = _read(tmp_path, 'x.csv', 'id,review\n7,fine\n', task)
  assert example.text_a == 'fine'


def test_a_named_column_gives_the_ids(tmp_path, caplog):
  fields = Fields('text', index='ticket', needs_index=True)
  task = custom.classification(('0', '1'), custom.in_files(fields))
  table = 'ticket,text\nT-7,"two\nlines"\nT-8,b\n'
  found = _read(tmp_path, 'x.csv', table, task)
  assert [(e.example_id, e.text_a) for e in found] == [
    *(('T-7', 'two\nlines'), ('T-8', 'b'))
  ]
  with pytest.raises(UserError, match='`id_column`=ticket cannot take effect'):
    _read(tmp_path, 'x.txt', 'a\n', task)
  with pytest.raises(UserError, match="x.csv, line 3: the 'ticket' is blank"):
    _read(tmp_path, 'x.csv', 'ticket,text\nT-7,a\n,b\n', task)
  # If the header of a .tsv file has other names, it is read as a text, with a
  # warning.
  assert len(_read(tmp_path, 'x.tsv', 'Text\na\n', SINGLE)) == 2
  assert 'x.tsv: the first line does not name ' in caplog.text


@pytest.mark.parametrize(
  ('content', 'task', 'message'),
  [
    ('a\tb\n', SINGLE, 'line 1: found 2 texts, expected one text'),
    ('a\n', PAIR, 'line 1: found 1 texts, expected a tab-separated pair'),
    ('a\n \n', SINGLE, 'line 2: a text is blank'),
    ('a\t\n', PAIR, 'line 1: a text is blank'),
    ('', SINGLE, 'holds no text'),
    ('text\tlabel\na\t1\n', SINGLE, "a header with 'sentence'. Rename the c"),
    ('id\ttext\n', glue.xnli('de'), "a header with 'premise', 'hypothesis'. "),
    ('a\tb\tc\n', PAIR, "or a header with 'question1', 'question2'$"),
  ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path, content, task, message):
  with pytest.raises(UserError, match=message):
    _read(tmp_path, 'x.txt', content, task)


def test_a_list_is_no_text(tmp_path):
  with pytest.raises(
    UserError, match=r"line 1: 'sentence' is \['a'\], expected"
  ):
    _read(tmp_path, 'x.jsonl', '{"sentence": ["a"]}\n', SINGLE)
