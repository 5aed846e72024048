"""Tables as lines of text."""

from system import text_table


def test_names_stand_on_the_left_and_numbers_on_the_right():
  assert text_table.aligned(
    [['', 'mean'], ['loss', '0.5'], ['f1', '10.25']]
  ) == [
    '       mean',
    'loss    0.5',
    'f1    10.25',
  ]


def test_a_markdown_table_has_numbers_on_the_right():
  assert text_table.markdown(['run', 's'], [['first', 0.5]]) == [
    '| run | s |',
    '| --- | ---: |',
    '| first | 0.5 |',
  ]
