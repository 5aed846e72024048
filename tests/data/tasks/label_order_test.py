"""Labels of a training split and of a model, and their order."""

import pytest

from data.tasks import custom, glue, label_order
from system.errors import UserError


def _found(folder, *labels):
  rows = [f'a\t{label}\n' for label in labels]
  (folder / 'train.tsv').write_text('sentence\tlabel\n' + ''.join(rows))
  return label_order.labels_in(custom.in_files()['train'], str(folder))


@pytest.mark.parametrize(
  ('labels', 'expected'),
  [
    (['yes', 'no', 'yes'], ('no', 'yes')),
    (['10', '9', '-1', '9'], ('-1', '9', '10')),
    (['10', '9', 'x'], ('10', '9', 'x')),
    (['01', '1', '0'], ('0', '01', '1')),
  ],
)
def test_labels_are_found_in_the_training_file(tmp_path, labels, expected):
  assert _found(tmp_path, *labels) == expected


def test_an_empty_label_and_a_single_one_are_refused(tmp_path):
  with pytest.raises(UserError, match="line 3: found the label ''"):
    _found(tmp_path, 'a', '')
  with pytest.raises(UserError, match="has one label, 'a'; .*`regression`"):
    _found(tmp_path, 'a', 'a')


def test_labels_are_read_as_written(tmp_path):
  task = custom.classification(('b', ' a', 'c\td'))
  label_order.write(str(tmp_path), task)
  path = tmp_path / 'labels.txt'
  assert path.read_text() == 'b\n a\nc\td\n'
  assert label_order.find(['/none', str(tmp_path)]) == (str(path), task.labels)
  assert label_order.find(['/none']) is None
  label_order.check(task, [str(tmp_path)])
  with pytest.raises(UserError, match='would be misread'):
    label_order.check(
      custom.classification((' a', 'b', 'c\td')), [str(tmp_path)]
    )
  # Another task may have other labels.
  label_order.check(glue.get_task('SST-2'), [str(tmp_path)])


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('a\n\nb\n', 'line 2: found a blank'),
    ('a\na\n', "line 2: found 'a' a sec"),
  ],
)
def test_a_malformed_list_is_named(tmp_path, content, message):
  (tmp_path / 'mine.txt').write_text(content)
  with pytest.raises(UserError, match=message):
    label_order.read(str(tmp_path / 'mine.txt'))


def test_regression_has_no_labels_file(tmp_path):
  label_order.write(str(tmp_path), glue.get_task('STS-B'))
  assert not list(tmp_path.iterdir())
