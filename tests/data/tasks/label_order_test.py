"""Labels of a training split and of a model, and their order."""

import json

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


def test_a_single_label_is_refused(tmp_path):
  with pytest.raises(UserError, match="has one label, 'a'; .*`regression`"):
    _found(tmp_path, 'a', 'a')


@pytest.mark.parametrize('label', ['', ' ', 'b\r', 'b\nc'])
def test_a_label_that_labels_txt_cannot_hold_is_refused(tmp_path, label):
  rows = [{'sentence': 'a', 'label': each} for each in ('a', label)]
  lines = [json.dumps(row) + '\n' for row in rows]
  (tmp_path / 'train.jsonl').write_text(''.join(lines))
  with pytest.raises(
    UserError, match='line 2: found the label .*, exp'
  ) as error:
    label_order.labels_in(custom.in_files()['train'], str(tmp_path))
  assert repr(label) in str(error.value)


def test_labels_are_read_as_written(tmp_path):
  task = custom.classification(('b', ' a', 'c\td'))
  label_order.write(str(tmp_path), task.labels)
  path = tmp_path / 'labels.txt'
  assert path.read_text() == 'b\n a\nc\td\n'
  assert label_order.find(['/none', str(tmp_path)]) == (str(path), task.labels)
  assert label_order.find(['/none']) is None
  label_order.check(task, [str(tmp_path)])
  with pytest.raises(UserError, match='would be misread'):
    label_order.check(
      custom.classification((' a', 'b', 'c\td')), [str(tmp_path)]
    )
  # A model that is trained further may have had another task.
  other = glue.get_task('SST-2')
  label_order.check(other, [str(tmp_path)], is_training=True)
  assert label_order.head_rows(other, [str(tmp_path)], is_training=True) is None
  for function in (label_order.check, label_order.head_rows):
    with pytest.raises(
      UserError, match='labels.txt has the labels b,  a, c.* S'
    ):
      function(other, [str(tmp_path)])


def _hugging_face(folder, *names, **values):
  """Writes a config.json with these names of classes; returns its folders."""
  values['id2label'] = {str(i): name for i, name in enumerate(names)}
  (folder / 'config.json').write_text(json.dumps(values))
  return [str(folder)]


@pytest.mark.parametrize(
  ('task', 'names', 'rows'),
  [
    ('AX', ('entailment', 'neutral', 'contradiction'), (2, 0, 1)),
    ('AX', ('NEUTRAL', 'CONTRADICTION', 'ENTAILMENT'), (1, 2, 0)),
    ('MNLI', ('contradiction', 'entailment', 'neutral'), None),
    ('SST-2', ('1', '0'), (1, 0)),
    ('SST-2', ('POSITIVE', 'NEGATIVE'), (1, 0)),
    ('SST-2', ('negative', 'positive'), None),
    ('SST-2', ('LABEL_0', 'LABEL_1'), None),
    ('STS-B', ('LABEL_0',), None),
  ],
)
def test_classes_of_a_hugging_face_model_are_matched_by_name(
  tmp_path, task, names, rows
):
  folders = _hugging_face(tmp_path, *names)
  task = glue.get_task(task)
  label_order.check(task, folders)
  assert label_order.head_rows(task, folders) == rows


def test_other_classes_of_a_hugging_face_model_are_refused(tmp_path):
  folders = _hugging_face(tmp_path, 'entailment', 'yes', 'no')
  task = glue.get_task('MNLI')
  message = 'config.json has the labels entailment, yes, no, MNLI has contrad'
  for function in (label_order.check, label_order.head_rows):
    with pytest.raises(UserError, match=message):
      function(task, folders)
  # As the message says, labels.txt gives the classes other names.
  (tmp_path / 'labels.txt').write_text('entailment\nneutral\ncontradiction\n')
  assert label_order.head_rows(task, folders) == (2, 0, 1)


def test_the_user_s_labels_are_compared_ignoring_case(tmp_path):
  folders = _hugging_face(tmp_path, 'Bad', 'GOOD')
  label_order.check(custom.classification(('bad', 'good')), folders)
  with pytest.raises(UserError, match='are Bad, GOOD: its logits would be mis'):
    label_order.check(custom.classification(('good', 'bad')), folders)


def test_labels_that_differ_in_case_alone_are_matched_exactly():
  found = label_order.in_order_of(['no', 'No'], ['No', 'no'])
  assert found == ('no', 'No')


def test_classes_without_names_are_said_once(tmp_path, caplog):
  folders = _hugging_face(tmp_path, 'LABEL_0', 'LABEL_1')
  task = glue.get_task('RTE')
  label_order.check(task, folders, is_training=True)
  assert not caplog.text
  label_order.check(task, folders)
  label_order.head_rows(task, folders)
  message = 'config.json calls its classes LABEL_0, LABEL_1'
  assert caplog.text.count(message) == 1
  # transformers omits the names of two such classes.
  (tmp_path / 'config.json').write_text(
    '{"architectures": ["BertForSequenceClassification"]}'
  )
  label_order.check(task, folders)
  assert caplog.text.count(message) == 2
  assert 'taken to be entailment, not_entailment' in caplog.text


@pytest.mark.parametrize(
  'names',
  [
    5,
    ['a', 'b'],
    {'0': 'a', '2': 'b'},
    {'0': 'a', '1': 3},
    {'0': 'a', '1': 'a'},
    {'0': 'a', '1': 'b\r'},
  ],
)
def test_a_malformed_id2label_is_named(tmp_path, names):
  (tmp_path / 'config.json').write_text(json.dumps({'id2label': names}))
  with pytest.raises(UserError, match='config.json: id2label is .*, expected'):
    label_order.find([str(tmp_path)])


def test_a_model_of_another_kind_has_no_labels(tmp_path):
  for kinds in (5, 'BertForSequenceClassification', ['BertModel']):
    values = {'architectures': kinds}
    (tmp_path / 'config.json').write_text(json.dumps(values))
    assert label_order.find([str(tmp_path)]) is None


def test_empty_lines_at_the_end_are_no_labels(tmp_path):
  (tmp_path / 'mine.txt').write_text('a\nb\n\n\r\n')
  assert label_order.read(str(tmp_path / 'mine.txt')) == ('a', 'b')


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
  label_order.write(str(tmp_path), glue.get_task('STS-B').labels)
  assert not list(tmp_path.iterdir())
