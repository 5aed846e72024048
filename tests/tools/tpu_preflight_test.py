"""tools/tpu_preflight.py and tools/tpu/.

Most tests use a fake compiler; the slow ones need jax and libtpu.
"""

import dataclasses
import json
import os
import stat
import subprocess
import sys

import pytest
import tensorflow as tf
import tiny_pipeline
import tiny_world
from absl import flags

from cli import classifier_flags
from devices import flops
from modeling import configs
from modeling.configs import BertConfig
from system import files
from system.errors import UserError
from tools import tpu_preflight
from tools.tpu import replica_job
from tools.tpu.tpu_compiler import Compiler, Cost

_TOPOLOGY = {'num_devices': 4, 'device_kind': 'TPU v0', 'hbm_bytes': 1 << 30}
_COST = {
  'compile_seconds': 1.5,
  'flops': 1000,
  'argument_bytes': 100 << 20,
  'output_bytes': 90 << 20,
  'aliased_bytes': 80 << 20,
  'temporary_bytes': 300 << 20,
  'code_bytes': 12 << 20,
}
if 'script' not in flags.FLAGS:
  tpu_preflight.define_flags()


def _python(tmp_path, **answers):
  """Writes a fake Python, which prints one answer for just a topology and
  another for a program."""
  path = tmp_path / 'python'
  path.write_text(
    f"""#!{sys.executable}
import sys, json
answers = json.loads({json.dumps(answers)!r})
has_program = len(sys.argv) > 3
print('libtpu says hello')
answer = answers['program' if has_program else 'topology']
if has_program and 'limit' in answers:
  if len(open(sys.argv[3], 'rb').read()) > answers['limit']:
    answer = {{'too_large': 'RESOURCE_EXHAUSTED: too large'}}
print(json.dumps(answer) if answer else 'Aborted')
sys.exit(0 if answer else 7)
"""
  )
  path.chmod(path.stat().st_mode | stat.S_IEXEC)
  return str(path)


def test_memory_counts_aliased_bytes_once(tmp_path):
  python = _python(tmp_path, topology=_TOPOLOGY, program=_COST)
  compiler = Compiler(python, 'v0:2x2')
  assert compiler.num_devices == 4
  assert compiler.hbm_bytes == 1 << 30
  cost = compiler.compile(b'program')
  assert cost == Cost(**_COST)
  assert cost.hbm_bytes == (100 + 90 - 80 + 300 + 12) << 20


@pytest.mark.parametrize(
  ('answer', 'message'),
  [
    ({'missing': 'libtpu'}, '(?s)has no libtpu.*python3.11 -m venv.*jax==0.10'),
    (
      {'error': 'JaxRuntimeError: bad name'},
      '--topology=v0:9x9: Jax.* bad name',
    ),
    (None, 'for --topology=v0:9x9 ended with status 7'),
  ],
)
def test_compiler_failures_are_explained(tmp_path, answer, message):
  with pytest.raises(UserError, match=message):
    Compiler(_python(tmp_path, topology=answer), 'v0:9x9')


def test_a_missing_python_is_named():
  with pytest.raises(UserError, match='--preflight_python=/none: .*No such'):
    Compiler('/none', 'v5e:2x2')


@pytest.mark.parametrize('start', [1, 2, 3, 32, 700])
@pytest.mark.parametrize('limit', [1, 5, 64, 100])
def test_the_largest_that_fits_is_found_to_an_eighth(start, limit):
  tried = []

  def fits(count):
    tried.append(count)
    return count <= limit

  largest = tpu_preflight.largest_fitting(fits, start, start <= limit)
  assert largest <= limit
  assert limit - largest <= max(1, largest / 8)
  assert len(tried) == len(set(tried)) <= 12


def test_the_search_ends_if_nothing_or_everything_fits():
  assert tpu_preflight.largest_fitting(lambda _: False, 24, False) == 0
  assert tpu_preflight.largest_fitting(lambda _: True, 24, True) >= 1 << 16


def _flags(world, python, **changes):
  values = {
    'script': 'run_pretraining',
    'topology': 'v0:2x2',
    'preflight_python': python,
    'bert_config_file': world / 'bert_config.json',
    'max_predictions_per_seq': 3,
    'max_seq_length': 16,
    'train_batch_size': 8,
    **changes,
  }
  return ['--do_train', *tiny_world.named_flags(values)]


def _run(world, python, *arguments, **changes):
  with tiny_world.parsed(
    'run_pretraining', *_flags(world, python, **changes), *arguments
  ):
    tpu_preflight.main([])


@pytest.mark.slow
def test_the_cost_of_a_step_is_printed(world, tmp_path, capsys):
  python = _python(tmp_path, topology=_TOPOLOGY, program=_COST)
  _run(world, python, search='false')
  output = capsys.readouterr().out
  assert 'devices = 4 x TPU v0\nbatch = 8, 2 rows on each\n' in output
  assert 'needed_hbm = 0.412 GiB\n  argument = 0.098 GiB' in output
  config = BertConfig.from_dict(tiny_world.CONFIG)
  forward = flops.pretrainer_flops(config, rows=2, length=16, num_predictions=3)
  masked_lm_head, next_sentence_head = 8 * 8 + 8 + 2 * 8 + 20, 2 * 8 + 2
  num_weights = (
    configs.count_parameters(config) + masked_lm_head + next_sentence_head
  )
  counted = flops.training_flops(forward, num_weights)
  assert f'flops_by_formula = {counted:.3e}, ' in output


def _small_job(script, num_replicas):
  return replica_job.ReplicaJob(
    'train_batch_size',
    batch_size=8,
    num_parts=1,
    step=lambda batch: batch['x'] + 1.0,
    signature=lambda rows: {'x': tf.TensorSpec([rows], tf.float32)},
    count_flops=None,
  )


def test_the_flops_of_a_loop_over_parts_are_those_of_one_part(
  world, tmp_path, monkeypatch, capsys
):
  def job_of_two_parts(script, num_replicas):
    return dataclasses.replace(
      _small_job(script, num_replicas),
      num_parts=2,
      count_flops=lambda rows: 1000 * rows,
    )

  monkeypatch.setattr(replica_job, 'of_script', job_of_two_parts)
  python = _python(tmp_path, topology=_TOPOLOGY, program=_COST)
  _run(world, python, search='false')
  output = capsys.readouterr().out
  assert 'flops_of_a_step = 1.000e+03 on each, one of 2 parts counted' in output
  assert 'flops_by_formula = 1.000e+03, +0.0 %' in output


def test_a_batch_that_is_too_large_is_rejected(world, tmp_path, monkeypatch):
  monkeypatch.setattr(replica_job, 'of_script', _small_job)
  python = _python(tmp_path, topology=_TOPOLOGY, program=_COST, limit=0)
  with pytest.raises(UserError, match='--train_batch_size=8 does not fit v0:2'):
    _run(world, python, search='false')


def test_num_tpu_cores_must_be_that_of_the_topology(world, tmp_path):
  python = _python(tmp_path, topology=_TOPOLOGY)
  with pytest.raises(UserError, match='--num_tpu_cores=8, .*v0:2x2 has 4'):
    _run(world, python, '--use_tpu', num_tpu_cores=8)


def test_the_folder_of_the_start_gives_vocabulary_and_length(world):
  folder = world / 'encoder'
  tiny_pipeline.checkpoint(folder)
  (folder / 'model.json').write_text('{"max_seq_length": 16}')
  given = ['--do_train', '--task_name=SST-2', '--train_batch_size=8']
  with tiny_world.parsed(
    'run_classifier', *given, f'--init_checkpoint={folder}'
  ):
    job = replica_job.of_script('run_classifier', 4)
  assert job.signature(2)['input_ids'].shape == [2, 16]
  with (
    tiny_world.parsed('run_classifier', *given),
    pytest.raises(UserError, match='--vocab_file must be given'),
  ):
    replica_job.of_script('run_classifier', 4)


def test_the_outputs_bucket_is_not_looked_at(world, monkeypatch):
  monkeypatch.setattr(files, 'exists', None)
  with tiny_world.parsed(
    'run_classifier',
    *('--do_train', '--task_name=SST-2', '--train_batch_size=8'),
    *('--bert_size=2/128', f'--vocab_file={world}/vocab.txt'),
    *('--output_dir=gs://none/run', '--init_checkpoint=gs://none/start'),
  ):
    options = replica_job._task_options(classifier_flags)
  assert options.training.output_dir == 'gs://none/run'


@pytest.mark.parametrize(
  'flags',
  [
    ['run_classifier', '--do_train', '--init_checkpoint=gs://none/start'],
    ['run_distillation', '--do_train', '--logits_dir=gs://none/dump'],
    [
      *('run_distillation', '--do_dump_logits', '--logits_dir=gs://none/dump'),
      '--teacher_checkpoint=gs://none/teacher',
    ],
  ],
)
def test_folders_in_a_bucket_are_not_asked_for_labels(
  world, monkeypatch, flags
):
  for ask in (files.exists, files.is_folder):

    def ask_local(path, ask=ask):
      assert not path.startswith('gs://'), path
      return ask(path)

    monkeypatch.setattr(files, ask.__name__, ask_local)
  size = '--bert_size=2/128'
  if '--do_dump_logits' in flags:
    size = f'--teacher_config_file={world}/bert_config.json'
  with tiny_world.parsed(
    *(*flags, size, '--task_name=SST-2', f'--vocab_file={world}/vocab.txt'),
    *(
      '--max_seq_length=16',
      '--train_batch_size=8',
      '--output_dir=gs://none/run',
    ),
  ):
    assert replica_job.of_script(flags[0], 4).num_parts == 1


def test_the_tool_accepts_the_flags_of_the_script():
  command = [sys.executable, '-m', 'tools.tpu_preflight']
  done = subprocess.run(
    [
      *command,
      '--script=run_pretraining',
      '--topology=v5e:2x2',
      '--max_pred=1',
    ],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 1
  assert 'max_pred' in done.stderr
  assert 'Did you mean: max_predictions_per_seq' in done.stderr


@pytest.fixture(scope='session')
def preflight_python():
  """An interpreter with jax and libtpu."""
  if not (path := os.environ.get('WELL_READ_BERT_PREFLIGHT_PYTHON')):
    pytest.skip('set WELL_READ_BERT_PREFLIGHT_PYTHON: README, TPU')
  return path


@pytest.mark.slow
def test_a_compiled_step_has_the_flops_of_the_formula(
  world, preflight_python, capsys
):
  config = dataclasses.asdict(configs.compact_config('tiny', 30522))
  (world / 'bert_config.json').write_text(json.dumps(config))
  _run(
    world,
    preflight_python,
    topology='v5e:2x2',
    max_seq_length=64,
    max_predictions_per_seq=20,
    train_batch_size=32,
    search='false',
  )
  output = dict(
    line.strip().split(' = ') for line in capsys.readouterr().out.splitlines()
  )
  assert output['devices'] == '4 x TPU v5 lite'
  assert output['available_hbm'] == '15.750 GiB'
  # 4.4 million weights with their two moments, 4 bytes each.
  assert float(output['argument'].split()[0]) == pytest.approx(0.05, abs=0.001)
  assert output['aliased'] == output['argument']
  compiled = float(output['flops_of_a_step'].split()[0])
  assert float(output['flops_by_formula'].split(',')[0]) == pytest.approx(
    compiled, rel=0.1
  )


@pytest.mark.slow
def test_a_topology_that_does_not_exist_is_named(preflight_python):
  with pytest.raises(UserError, match='--topology=v5e:3x3: .*not divisible'):
    Compiler(preflight_python, 'v5e:3x3')
