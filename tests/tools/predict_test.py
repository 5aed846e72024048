"""Tests for tools/predict.py: lines in, labelled lines out."""

import json
import os
import subprocess
import sys

import pytest

from modeling.checkpoints import model_file
from system.errors import UserError
from tools import predict


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
    for group in predict._in_background(items()):
      assert group
      got += group
  assert got == list(range(5000))


def test_no_input_gives_no_group():
  assert list(predict._in_background([])) == []


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
