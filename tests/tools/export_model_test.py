"""Tests for tools/export_model.py: what it refuses, and one whole export."""

import functools
import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from system.errors import UserError
from tools import export_model


@pytest.fixture
def folder(teacher_world):
  return teacher_world / 'teacher'


def _command(folder, output_dir, *arguments):
  return [
    *(sys.executable, '-m', 'tools.export_model'),
    *(f'--model_dir={folder}', f'--output_dir={output_dir}', *arguments),
  ]


def _fails(*arguments):
  done = subprocess.run(_command(*arguments), capture_output=True, text=True)
  assert done.returncode == 1
  return done.stderr.splitlines()[-1]


def test_a_format_that_fails_does_not_stop_the_others():
  called = []

  def job(number, message=None):
    called.append(number)
    if message:
      raise UserError(message)

  failing = [
    functools.partial(job, *arguments)
    for arguments in ((1, 'no onnx'), (2,), (3, 'no litert'))
  ]
  with pytest.raises(UserError, match='^no onnx\nno litert$'):
    export_model.do_all(failing)
  export_model.do_all([functools.partial(job, 4)])
  assert called == [1, 2, 3, 4]


@pytest.mark.slow
def test_mistakes_are_refused_before_anything_is_written(folder, tmp_path):
  out = tmp_path / 'out'
  assert '--format=pickle is unknown, expected one or more of hugging_face' in (
    _fails(folder, out, '--format=hugging_face,pickle')
  )
  assert 'no checkpoint' in _fails(tmp_path / 'none', out)
  message = _fails(folder, out, '--quantize=dynamic')
  assert (
    '--quantize=dynamic cannot take effect without --format=litert or onnx'
  ) in message
  message = _fails(folder, out, '--format=onnx', '--quantize=float16')
  assert '--quantize=float16 cannot take effect without --format=litert' in (
    message
  )
  message = _fails(folder, out, '--format=onnx', '--quantize=int4')
  assert '--quantize=int4 is unknown, expected one or more of float16' in (
    message
  )
  message = _fails(
    folder, out, '--format=onnx', '--quantize=dynamic', '--calibration_file=x'
  )
  assert (
    '--calibration_file cannot take effect without --quantize=static' in message
  )
  message = _fails(
    folder, out, '--format=onnx', '--quantize=static', '--calibration_file=/no'
  )
  assert "--calibration_file: there is no file '/no'" in message
  message = _fails(folder, out, '--max_metric_loss=0.1')
  assert '--max_metric_loss cannot take effect without --quantize' in message
  message = _fails(folder, out, '--data_dir=task', '--text_file=texts')
  assert '--data_dir cannot take effect with --text_file, unless' in message
  message = _fails(folder, out, '--checker_python=/none/python')
  assert '--checker_python=/none/python cannot be run' in message
  bare = tmp_path / 'bare'
  subprocess.run([sys.executable, '-m', 'venv', '--without-pip', bare])
  message = _fails(folder, out, f'--checker_python={bare}/bin/python')
  assert '--format=hugging_face needs torch, transformers, which' in message
  message = _fails(folder, out, '--format=saved_model', '--head=none')
  assert '--format=saved_model needs a head of the kind task: ' in message
  assert not out.exists()
  (out / 'hugging_face').mkdir(parents=True)
  assert 'give --overwrite to replace it' in _fails(folder, out)


@pytest.mark.slow
@pytest.mark.skipif(
  not (find_spec('torch') and find_spec('transformers')),
  reason="needs pip install -e '.[hugging-face]'",
)
def test_an_export_is_compared_with_the_dev_set_of_the_run(folder, tmp_path):
  done = subprocess.run(
    _command(folder, tmp_path / 'out'), capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
  first, difference, ids, labels = done.stdout.splitlines()
  assert first.endswith('compared on the dev set of SST-2 (11)')
  assert 'largest difference of an output: ' in difference
  assert ids == '  equal token ids: 100.00%'
  assert labels == '  equal labels: 100.00%'
  report = json.loads(
    (tmp_path / 'out' / 'hugging_face' / 'export.json').read_text()
  )
  assert report['equal_labels'] == 1.0
  assert report['head'] == 'task'
