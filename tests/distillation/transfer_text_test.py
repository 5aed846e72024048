"""Reading a transfer set's files, and finding held-out texts."""

import gzip

import pytest

from data.tasks.examples import Example
from distillation import transfer_text
from system.errors import UserError


def _write(folder, name, content):
  path = folder / name
  path.write_bytes(content if isinstance(content, bytes) else content.encode())
  return str(path)


def test_a_texts_id_has_file_and_line(tmp_path):
  plain = _write(tmp_path, 'a.txt', 'One.\n\n  \nTwo\u2028too.\r\n')
  zipped = _write(tmp_path, 'b', gzip.compress(b'Three.'))
  assert transfer_text.read_files([plain, zipped]) == [
    [
      ('a.txt:1', 'One.', None, None),
      ('a.txt:4', 'Two\u2028too.', None, None),
    ],
    [('b:1', 'Three.', None, None)],
  ]


def test_a_file_belongs_to_the_first_pattern_that_matches_it(tmp_path):
  a = _write(tmp_path, 'a.txt', 'One.\n')
  _write(tmp_path, 'b.txt', 'Two.\n')
  groups = transfer_text.read_files([a, f'{tmp_path}/*.txt'])
  assert [[text.text_a for text in group] for group in groups] == [
    ['One.'],
    ['Two.'],
  ]


def test_ids_have_the_path_if_names_are_equal(tmp_path):
  paths = []
  for folder in ('x', 'y'):
    (tmp_path / folder).mkdir()
    paths.append(_write(tmp_path / folder, 'a.txt', 'One.\tUno.\n'))
  assert transfer_text.read_files(paths) == [
    [(f'{path}:1', 'One.', 'Uno.', None)] for path in paths
  ]


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (
      'One.\n\nOne.\tUno.\n',
      'a.txt:3: found a tab-separated pair.*as in a.txt:1',
    ),
    ('One.\tUno.\nTwo.\n', 'a.txt:2: found a single sentence'),
    ('One.\tUno.\tEin.\n', 'a.txt, line 1: found 3 columns'),
    ('One.\t \n', 'a.txt, line 1: one half'),
    ('\n \n', 'every line is blank'),
    ('', 'no text'),
  ],
)
def test_malformed_transfer_text_is_refused(tmp_path, content, message):
  path = _write(tmp_path, 'a.txt', content)
  with pytest.raises(UserError, match=message):
    transfer_text.read_files([path])


@pytest.mark.parametrize('name', ['a.csv', 'a.jsonl.gz', 'a.parquet'])
def test_a_table_is_refused(tmp_path, name):
  path = _write(tmp_path, name, 'text,label\n')
  with pytest.raises(UserError, match=f'`transfer_file`: .*{name} is a table'):
    transfer_text.read_files([path])


def test_case_and_white_space_do_not_hide_held_out_text():
  held_out = transfer_text.SentenceFilter(
    [Example('0', "it 's  bad , I 'd say . ", None, '0')]
  )
  assert held_out.is_held_out("It's bad, I'd say.")
  assert not held_out.is_held_out("It's bad.")
  assert not held_out.is_held_out("It's bad, I'd say.", 'second')


def test_held_out_pair_needs_both_halves():
  held_out = transfer_text.SentenceFilter([Example('0', 'A b', 'C', '0')])
  assert held_out.is_held_out('a B', 'c')
  assert not held_out.is_held_out('a B', 'd')
  assert not held_out.is_held_out('a B')
  assert not held_out.is_held_out('c', 'a b')
