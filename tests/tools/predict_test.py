"""Tests for tools/predict.py: lines in, labelled lines out."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import pyarrow
import pyarrow.parquet
import pytest
import tiny_world

from modeling.checkpoints import exporting, model_file
from modeling.checkpoints.model_file import ModelFile, TaskRecord
from modeling.configs import BertConfig
from modeling.models import Classifier, released_variables
from serving.comparison import Comparison
from serving.model import Prediction
from system import text_files
from system.errors import UserError
from tools import predict_input
from tools.predict_output import Style


def _run(folder, *arguments, text='', **options):
  return subprocess.run(
    [
      sys.executable,
      '-m',
      'tools.predict',
      f'--model_dir={folder}',
      *arguments,
    ],
    input=text.encode() if isinstance(text, str) else text,
    capture_output=True,
    **options,
  )


def test_items_come_in_order_and_an_error_after_them():
  def items():
    yield from range(5000)
    raise UserError('damaged')

  got = []
  with pytest.raises(UserError, match='damaged'):
    for group in predict_input.in_background(items()):
      assert group
      got += group
  assert got == list(range(5000))


def test_no_input_gives_no_group():
  assert list(predict_input.in_background([])) == []


def _label(good):
  label = 'good' if good > 0.5 else 'bad'
  return Prediction(label, {'bad': 1 - good, 'good': good})


def test_a_prediction_becomes_columns_or_an_object():
  text, pair = 'a\tfine\nfilm', ('one', 'two')
  assert Style().line(text, _label(0.75)) == 'good\t0.750000\ta fine film'
  assert Style(top_k=2, shows_text=False).line(text, _label(0.25)) == (
    'bad\t0.750000\tgood\t0.250000'
  )
  assert Style().line(pair, Prediction(None, {}, 2.5)) == '2.5\tone\ttwo'
  assert json.loads(Style(is_json=True).line(pair, _label(0.75))) == {
    'text': 'one',
    'text_pair': 'two',
    'label': 'good',
    'probabilities': {'good': 0.75, 'bad': 0.25},
  }


def test_numbers_are_shown_as_values():
  first, second = (Prediction(None, {}, value) for value in (2.5, -1.25))
  style = Style(is_json=True)
  assert json.loads(style.line('x', first)) == {'text': 'x', 'value': 2.5}
  assert json.loads(style.difference('x', first, second)) == {
    'text': 'x',
    'value_a': 2.5,
    'value_b': -1.25,
  }
  assert Style().difference('x', first, second) == '2.5\t-1.25\tx'


def test_a_difference_shows_both_labels_and_the_text():
  pair = _label(0.75), _label(0.25)
  assert Style().difference('x', *pair) == 'good\tbad\tx'
  assert json.loads(Style(is_json=True).difference('x', *pair)) == {
    'text': 'x',
    'label_a': 'good',
    'probabilities_a': {'bad': 0.25, 'good': 0.75},
    'label_b': 'bad',
    'probabilities_b': {'bad': 0.75, 'good': 0.25},
  }


def test_the_summary_counts_equal_labels():
  found = Comparison(8, 6, 0.125)
  assert Style().summary(found) == (
    '# 8 texts, 6 with equal labels (75.00%); largest difference of a '
    'probability: 0.125'
  )
  assert json.loads(Style(is_json=True).summary(found)) == {
    'num_texts': 8,
    'num_equal': 6,
    'largest_difference': 0.125,
    'are_numbers': False,
  }


def test_the_summary_of_numbers_and_of_no_text():
  found = Comparison(4, 1, 2.5, are_numbers=True)
  assert Style().summary(found) == (
    '# 4 texts, 1 with equal values (25.00%); largest difference of a number: '
    '2.5'
  )
  assert '0 with equal labels (100.00%)' in Style().summary(Comparison())


def test_a_null_is_read_as_a_blank_text(tmp_path):
  path = tmp_path / 'a.parquet'
  table = pyarrow.table({'review': ['good', None]})
  pyarrow.parquet.write_table(table, path)
  source = predict_input.Source(str(path), 'parquet', 'review')
  assert [text for _, text in source.read()] == ['good', '']
  path = tmp_path / 'a.jsonl'
  path.write_text('{"review": null}\n')
  source = predict_input.Source(str(path), 'jsonl', 'review')
  assert list(source.read()) == [(f'{path}, line 1', '')]


def test_standard_input_may_begin_with_a_byte_order_mark(tmp_path, monkeypatch):
  path = tmp_path / 'a.txt'
  path.write_bytes(b'\xef\xbb\xbfone\n\xef\xbb\xbftwo\r\n')
  with path.open() as file:
    monkeypatch.setattr(sys, 'stdin', file)
    found = list(predict_input.Source().read())
  # White space of no width stays inside of the text.
  assert found == [
    ('standard input, line 1', 'one'),
    ('standard input, line 2', '\ufefftwo'),
  ]


def test_a_second_column_gives_pairs_to_a_model_that_does_not_say(tmp_path):
  source = predict_input.Source(text_column='a', text_pair_column='b')
  found = source.as_texts([('line 2', ('one', 'two'))], takes_pairs=None)
  assert found == ([('one', 'two')], None)


def test_a_file_is_read_as_its_format_says(tmp_path):
  path = tmp_path / 'a.parquet'
  table = {'id': [7, 8], 'review': ['good', 'bad']}
  pyarrow.parquet.write_table(pyarrow.table(table), path)
  source = predict_input.Source(str(path), 'parquet', 'review')
  assert list(source.read()) == [
    (f'{path}, row 1', 'good'),
    (f'{path}, row 2', 'bad'),
  ]
  path = tmp_path / 'a.jsonl'
  path.write_text('{"review": "a \\ud83d"}\n')
  source = predict_input.Source(str(path), 'jsonl', 'review')
  with pytest.raises(UserError, match='a.jsonl, line 1: .*half of a surrogate'):
    list(source.read())
  path = tmp_path / 'pairs.tsv'
  path.write_text('one\ttwo\n')
  source = predict_input.Source(str(path))
  texts, error = source.as_texts([*source.read()], takes_pairs=True)
  assert (texts, error) == ([('one', 'two')], None)


def test_a_table_is_not_taken_for_lines(tmp_path):
  path = tmp_path / 'table.tsv'
  path.write_text('a title\nid\treview\n1\tgood\n')
  source = predict_input.Source(str(path))
  texts, error = source.as_texts([*source.read()], takes_pairs=False)
  assert texts == ['a title']
  assert str(error) == (
    f'{path}, line 2: found 2 texts, expected one: name the column with the '
    'text as --text_column'
  )
  # In a file of lines, tabs are white space.
  lines = predict_input.Source()
  assert lines.as_texts([('line 1', 'a\tb')], False) == (['a\tb'], None)


@pytest.mark.parametrize(
  ('source', 'expected'),
  [
    (predict_input.Source(), 'two, separated by a tab'),
    (
      predict_input.Source(text_column='review'),
      'two: name the column of the second as --text_pair_column',
    ),
  ],
)
def test_the_texts_before_a_wrong_one_are_kept(source, expected):
  items = [('line 1', ('one', 'two')), ('line 2', 'oops'), ('line 3', 'x\ty')]
  texts, error = source.as_texts(items, takes_pairs=True)
  assert texts == [('one', 'two')]
  assert str(error) == f'line 2: found 1 texts, expected {expected}'


def test_reading_starts_before_the_first_group_is_asked_for():
  begun = threading.Event()

  def items():
    begun.set()
    yield 1

  groups = predict_input.in_background(items())
  assert begun.wait(timeout=30)
  assert list(groups) == [[1]]


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (
      ['--input_file=a.csv.gz'],
      '--input_file=a.csv.gz is a table by its extension: name the column',
    ),
    (['--input_format=csv'], 'cannot take effect without --text_column'),
    (
      ['--input_format=parquet', '--text_column=review'],
      '--input_format=parquet needs --input_file',
    ),
    (['--text_pair_column=b'], '--text_pair_column needs --text_column'),
    (['--compare_runtime=onnx'], 'cannot take effect without --compare'),
    (['--compare=x', '--top_k=2'], '--top_k cannot take effect with --compare'),
  ],
)
def test_flags_without_effect_are_refused_before_the_model_is_loaded(
  tmp_path, flags, message
):
  done = _run(tmp_path, *flags)
  assert done.returncode == 1
  assert message in done.stderr.decode()


@pytest.mark.slow
def test_top_k_of_a_model_of_numbers_is_refused(world):
  config = BertConfig.from_dict(tiny_world.CONFIG)
  exporting.export(
    str(world / 'run'),
    1,
    released_variables(Classifier(config, 1)),
    config,
    text_files.read_list(str(world / 'vocab.txt')),
    content=ModelFile(TaskRecord('STS-B', (), True), True, 16),
  )
  done = _run(world / 'run', '--top_k=2', text='one\ttwo\n')
  assert done.returncode == 1
  assert done.stderr.startswith(b'ERROR: --top_k=2 cannot take effect: the mod')


@pytest.mark.slow
def test_lines_become_labelled_lines_in_order(teacher_world):
  texts = ['the film is good .', 'the plot is bad .', '', 'a\vnice film'] * 700
  folder = teacher_world / 'teacher'
  model_file.write_temperature(str(folder), 2.0)
  done = _run(folder, text='\n'.join(texts) + '\n')
  assert done.returncode == 0, done.stderr
  rows = [line.split('\t') for line in done.stdout.decode().split('\n')[:-1]]
  assert [row[2] for row in rows] == [t.replace('\v', ' ') for t in texts]
  assert {row[0] for row in rows[0::4]} == {'1'}
  assert {row[0] for row in rows[1::4]} == {'0'}
  assert all(0.5 <= float(row[1]) <= 1 for row in rows)
  assert done.stderr == b''


@pytest.mark.slow
def test_a_table_becomes_json_with_all_probabilities(teacher_world):
  table = 'id,review\n7,"the film\nis good ."\n8,the plot is bad .\n'
  done = _run(
    teacher_world / 'teacher',
    '--text_column=review',
    '--input_format=csv',
    '--format=jsonl',
    text=table,
  )
  path = teacher_world / 'reviews.csv'
  path.write_text(table)
  by_ending = _run(
    teacher_world / 'teacher',
    '--text_column=review',
    f'--input_file={path}',
    '--format=jsonl',
  )
  assert by_ending.stdout == done.stdout
  first, second = map(json.loads, done.stdout.splitlines())
  assert first['text'] == 'the film\nis good .'
  assert (first['label'], second['label']) == ('1', '0')
  assert sum(first['probabilities'].values()) == pytest.approx(1)


@pytest.mark.slow
def test_a_closed_pipe_and_bad_input_end_without_a_traceback(teacher_world):
  folder = teacher_world / 'teacher'
  many = teacher_world / 'many.txt'
  many.write_text('the film is good .\n' * 20_000)
  command = (
    f'{sys.executable} -m tools.predict --model_dir={folder}'
    f' --input_file={many} | head -n 2'
  )
  done = subprocess.run(command, shell=True, capture_output=True)
  assert len(done.stdout.splitlines()) == 2
  assert done.stderr == b''
  done = _run(folder, '--top_k=2', '--noshow_text', text=b'good\n\xff\n')
  assert done.returncode == 1
  assert done.stderr.startswith(b'ERROR: standard input, line 2: expected UTF')
  label, p, other, q = done.stdout.decode().strip().split('\t')
  assert {label, other} == {'0', '1'}
  assert float(p) + float(q) == pytest.approx(1, abs=2e-6)


def _begun(folder):
  """Starts the tool with an input that stays open."""
  command = [sys.executable, '-m', 'tools.predict', f'--model_dir={folder}']
  pipes = dict.fromkeys(('stdin', 'stdout', 'stderr'), subprocess.PIPE)
  return subprocess.Popen(command, **pipes)


@pytest.mark.slow
def test_bad_input_ends_the_process_while_its_input_stays_open(teacher_world):
  with _begun(teacher_world / 'teacher') as process:
    process.stdin.write(b'the film is good .\n\xff\n')
    process.stdin.flush()
    # The reading thread still waits for the next line.
    printed, messages = process.stdout.read(), process.stderr.read()
    assert process.wait() == 1
  assert printed.startswith(b'1\t')
  assert messages.startswith(b'ERROR: standard input, line 2: expected UTF')
  assert messages.count(b'\n') == 1


@pytest.mark.slow
def test_an_interrupted_tool_ends_while_its_input_stays_open(teacher_world):
  with _begun(teacher_world / 'teacher') as process:
    process.stdin.write(b'the film is good .\n')
    process.stdin.flush()
    assert process.stdout.readline().startswith(b'1\t')
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert b'Fatal' not in process.stderr.read()


@pytest.mark.slow
def test_a_comparison_prints_the_lines_that_differ_and_counts(teacher_world):
  folder, other = teacher_world / 'teacher', teacher_world / 'turned'
  shutil.copytree(folder, other)
  content = json.loads((other / 'model.json').read_text())
  content['task']['labels'] = content['task']['labels'][::-1]
  del content['files']
  (other / 'model.json').write_text(json.dumps(content))
  (other / 'labels.txt').unlink()
  done = _run(
    folder,
    f'--compare={other}',
    text='the film is good .\nthe plot is bad .\n',
  )
  first, second, summary = done.stdout.decode().splitlines()
  assert first == '1\t0\tthe film is good .'
  assert second == '0\t1\tthe plot is bad .'
  assert summary.startswith('# 2 texts, 0 with equal labels (0.00%); largest')
  done = _run(folder, f'--compare={folder}', text='the film is good .\n')
  assert done.stdout.decode() == (
    '# 1 texts, 1 with equal labels (100.00%); largest difference of a '
    'probability: 0\n'
  )


@pytest.mark.slow
def test_a_wrong_folder_is_refused_before_tensorflow(tmp_path):
  code = (
    'import sys; from tools import predict; from cli import script;'
    'predict.define_flags()\n'
    'try: script.run(predict.main)\n'
    'finally: print("tensorflow" in sys.modules)'
  )
  done = subprocess.run(
    [sys.executable, '-c', code, f'--model_dir={tmp_path}'],
    capture_output=True,
    text=True,
    cwd=os.getcwd(),
  )
  assert 'no checkpoint was found in the folder' in done.stderr
  assert done.stdout.splitlines() == ['False']
