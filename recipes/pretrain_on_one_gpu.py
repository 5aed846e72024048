"""Pre-trains compact models on one GPU, for a number of minutes each.

  python -m recipes.pretrain_on_one_gpu --text_dir=wiki \\
    --vocab_file=vocab.txt --work_dir=work/gpu --minutes=10

TEXT_DIR holds text with one sentence per line and blank lines between
documents. The files whose names begin with 'heldout' are for the evaluation.

The recipe makes records. Then, for each size: a short pilot measures the speed,
from which the number of steps follows; the model is trained and evaluated; and
WORK_DIR/release gets it as Google packed its models, as a folder and as a zip.
WORK_DIR/results gets a small JSON file, WORK_DIR/logs what the commands print.
An interrupted recipe saves, and resumes when its command is run again. A
WORK_DIR has one text and, for each size, one set of flags; others are refused.

--pilots first chooses the learning rate: it trains briefly with each of
--pilot_rates and keeps the one with the lowest loss on the held-out text. A
rate whose training diverges is not chosen.
Without it the rates of `SIZES` are used, and the result says whether they were
ever piloted. --dry_run prints the commands.

Without a GPU everything runs on the CPU, in float32.
"""

import dataclasses
import functools
import glob
import json
import math
import os
import re
import subprocess
import sys
import zlib
from typing import Any

from absl import flags, logging

from cli import script
from modeling import configs
from modeling.checkpoints.file_names import INDEX, of_step
from recipes import kept_flags
from system import files, json_text, machine, step_runner
from system.errors import UserError, shown
from system.steps import Step, flag_words, to_run
from tools import pack_release
from training import result_files

FLAGS = flags.FLAGS

_LENGTHS = {'max_seq_length': 128, 'max_predictions_per_seq': 20}
_RATE = re.compile(r'([\d.]+) examples/s')
_EVAL_BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True)
class Settings:
  """How a size is trained.

  Attributes:
    batch_size: examples per step.
    learning_rate: the peak.
    initializer_range: the standard deviation of the initial weights.
    was_piloted: whether the values were tried on a GPU.
  """

  batch_size: int
  learning_rate: float
  initializer_range: float = 0.02
  was_piloted: bool = False


# 2/128 trained so on one H200: 12,890 steps, warm-up 1,074.
SIZES = {
  '2/128': Settings(512, 2e-3, 0.06, was_piloted=True),
  '4/256': Settings(512, 1e-3),
  '4/512': Settings(512, 7e-4),
  '8/512': Settings(256, 5e-4),
  '12/768': Settings(256, 2e-4),
}
_OTHER = Settings(256, 5e-4)
_SETTINGS = 'settings.json'
_ADVICE = 'Give another --work_dir, or that value.'
# nvidia-smi names GPUs that TensorFlow cannot use or does not see.
_LIST_GPUS = """
import tensorflow as tf
for gpu in tf.config.list_physical_devices('GPU'):
  details = tf.config.experimental.get_device_details(gpu)
  print(details.get('device_name', gpu.name))
"""
# One step in 12 is warm-up, as for 2/128.
_WARM_UP = 12


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string('text_dir', None, 'The folder of text.', required=True)
  flags.DEFINE_string('vocab_file', None, 'The vocabulary.', required=True)
  flags.DEFINE_string('work_dir', 'work/gpu', 'The folder for everything.')
  flags.DEFINE_list('sizes', ['2/128', '4/256', '4/512'], 'The sizes.')
  flags.DEFINE_float('minutes', 10.0, 'Training time of each size.', 0.0)
  flags.DEFINE_integer('batch_size', None, 'Examples per step.', 1)
  flags.DEFINE_float('learning_rate', None, 'The peak, for all sizes.', 0.0)
  flags.DEFINE_string('precision', None, 'bfloat16 on a GPU, else float32.')
  flags.DEFINE_integer('dupe_factor', 5, 'Records made from each text.', 1)
  flags.DEFINE_bool('do_lower_case', True, 'Whether the vocabulary is uncased.')
  flags.DEFINE_integer('speed_steps', 300, 'Steps that measure the speed.', 3)
  flags.DEFINE_bool('pilots', False, 'Whether to choose the learning rates.')
  flags.DEFINE_list('pilot_rates', ['5e-4', '1e-3', '2e-3', '4e-3'], 'To try.')
  flags.DEFINE_float('pilot_minutes', 0.5, 'Training time of each pilot.', 0.0)
  flags.DEFINE_integer('eval_steps', 200, 'Evaluation batches.', 1)
  flags.DEFINE_bool('dry_run', False, 'Only print the commands.')


def main(_: list[str]) -> None:
  """Makes the records; then trains, evaluates and packs each size."""
  recipes = [Recipe(configs.check_size(size)) for size in FLAGS.sizes]
  texts = _texts()
  _check_rates()
  kept_flags.check(_path(_SETTINGS), _text_settings(texts), _ADVICE)
  for recipe in recipes:
    recipe.check_settings()
  for name, paths in texts.items():
    _run(_records(name, paths))
    _keep(_text_settings(texts), _SETTINGS)
  for recipe in recipes:
    recipe.run()


def _check_rates() -> None:
  """Raises a `UserError` unless --pilot_rates are positive numbers."""
  for text in FLAGS.pilot_rates or ['']:
    try:
      is_rate = 0 < float(text) < math.inf
    except ValueError:
      is_rate = False
    if not is_rate:
      raise UserError(
        f'--pilot_rates: expected positive numbers, got {shown(text)}'
      )


def _texts() -> dict[str, list[str]]:
  """Returns the text files for training and for evaluation.

  Raises:
    UserError: there is none of either.
  """
  paths = sorted(
    path
    for path in glob.glob(f'{glob.escape(FLAGS.text_dir)}/*')
    if os.path.isfile(path)
  )
  heldout = [p for p in paths if os.path.basename(p).startswith('heldout')]
  found = {'train': [p for p in paths if p not in heldout], 'heldout': heldout}
  for name, expected in (('train', 'a file of text'), ('heldout', 'heldout*')):
    if not found[name]:
      raise UserError(f'--text_dir={FLAGS.text_dir}: expected {expected} in it')
  return found


def _text_settings(texts: dict[str, list[str]]) -> dict[str, Any]:
  """Returns the settings that decide the records."""
  paths = [path for each in texts.values() for path in each]
  content = [
    [os.path.basename(path), files.size(path), files.crc_of_ends(path)]
    for path in paths
  ]
  checksum = zlib.crc32(json.dumps(content).encode())
  return {
    'text_dir': os.path.realpath(FLAGS.text_dir),
    'text_dir (content)': f'{len(paths)} files, checksum {checksum:08x}',
    'vocab_file': os.path.realpath(FLAGS.vocab_file),
    'do_lower_case': FLAGS.do_lower_case,
    'dupe_factor': FLAGS.dupe_factor,
  }


def _keep(settings: dict[str, Any], *names: str) -> None:
  """Records settings below WORK_DIR once something was made with them."""
  if not FLAGS.dry_run:
    kept_flags.keep(_path(*names), settings)


def _records(name: str, paths: list[str]) -> Step:
  """Makes pre-training records of text files."""
  records = _path(f'{name}.tfrecord')
  given = {
    'input_file': ','.join(paths),
    'output_file': records,
    'vocab_file': FLAGS.vocab_file,
    'do_lower_case': FLAGS.do_lower_case,
    'dupe_factor': FLAGS.dupe_factor if name == 'train' else 1,
    **_LENGTHS,
  }
  return Step(
    f'records/{name}',
    ('data/create_pretraining_data.py', *flag_words(given)),
    f'{records}.manifest.json',
    title=f'makes records of {len(paths)} files',
  )


def _path(*names: str) -> str:
  return os.path.join(FLAGS.work_dir, *names)


def _run(*planned: Step) -> None:
  """Runs steps, or prints their commands."""
  if FLAGS.dry_run:
    script.show(step.shell_command() for step in to_run(planned))
  else:
    step_runner.run(planned, _path('logs'), shows_output=True)


def _diverged(log: str) -> bool:
  """Returns whether the last error in a log is a loss that is not finite."""
  lines = files.read_text(log).splitlines() if os.path.exists(log) else []
  errors = [line for line in lines if line.startswith('ERROR: ')]
  return bool(errors) and 'not finite' in errors[-1]


@functools.cache
def _gpus() -> list[str]:
  """Returns the names of the GPUs that TensorFlow finds in a new process."""
  if not machine.gpus():
    return []
  done = subprocess.run(
    [sys.executable, '-c', _LIST_GPUS], capture_output=True, text=True
  )
  if done.returncode:
    raise UserError(f'TensorFlow does not start: {done.stderr[-500:]}')
  if not (found := done.stdout.splitlines()):
    logging.warning(
      'TensorFlow finds no GPU, though nvidia-smi names %s; docs/gpu.md shows '
      'how to install it for GPUs',
      ', '.join(machine.gpus()),
    )
  return found


class Recipe:
  """The runs of one size."""

  def __init__(self, size: str):
    """Chooses the settings."""
    self._size = size
    self._name = pack_release.release_name(
      configs.compact_config(size, 2), FLAGS.do_lower_case
    )
    self._gpus = _gpus()
    self._precision = FLAGS.precision or (
      'bfloat16' if self._gpus else 'float32'
    )
    settings = SIZES.get(size, _OTHER)
    if FLAGS.batch_size:
      settings = dataclasses.replace(
        settings, batch_size=FLAGS.batch_size, was_piloted=False
      )
    self._settings = settings

  def check_settings(self) -> None:
    """Refuses other settings than those that the size was begun with."""
    path = _path(self._name, _SETTINGS)
    kept_flags.check(path, self._deciding(), _ADVICE)

  def _deciding(self) -> dict[str, Any]:
    """Returns the settings that decide the model."""
    names = ['minutes', 'learning_rate', 'pilots']
    names += ['pilot_rates', 'pilot_minutes'] * FLAGS.pilots
    return {
      'batch_size': self._settings.batch_size,
      'precision': self._precision,
      **{name: getattr(FLAGS, name) for name in names},
    }

  def run(self) -> None:
    """Does what is left to do, and writes the result."""
    result_path = _path('results', f'{self._name}.json')
    if os.path.exists(result_path):
      print(f'{self._size} is done: {result_path}', flush=True)
      return
    plan = self._plan()
    training = self._training('run', plan['steps'], plan['learning_rate'])
    _run(training, self._evaluation('run'))
    if FLAGS.dry_run:
      return
    release = pack_release.pack(
      _path(self._name, 'run'), _path('release'), FLAGS.do_lower_case
    )
    device = self._gpus[0] if self._gpus else 'CPU'
    heldout = result_files.read_eval_results(self._evaluation('run').done)
    result = {'size': self._size, **plan, 'device': device, 'heldout': heldout}
    files.make_folder(_path('results'))
    files.write_json(result_path, result)
    print(f'{self._size}: {release}, {json.dumps(result)}', flush=True)

  def _plan(self) -> dict[str, Any]:
    """Returns the steps and the learning rate; the same in a resumed recipe."""
    path = _path(self._name, 'plan.json')
    if os.path.exists(path):
      return files.read_json(path)
    speed = self._speed()
    _keep(self._deciding(), self._name, _SETTINGS)
    rate, origin, losses = self._learning_rate(speed)
    plan = {
      'steps': self._num_steps(speed, FLAGS.minutes),
      'train_batch_size': self._settings.batch_size,
      'learning_rate': rate,
      'learning_rate_from': origin,
      'pilot_losses': losses,
      'precision': self._precision,
      'minutes': FLAGS.minutes,
      'pilot_examples_per_second': speed,
    }
    if not FLAGS.dry_run:
      files.write_json(path, plan)
    return plan

  def _speed(self) -> float:
    """Returns the examples per second in the last line of a pilot's log."""
    rate = self._settings.learning_rate
    step = self._training('speed', FLAGS.speed_steps, rate)
    _run(step)
    if FLAGS.dry_run:
      return self._settings.batch_size  # A step a second.
    log = _path('logs', f'{step.name}.log')
    if not (rates := _RATE.findall(files.read_text(log))):
      raise UserError(f'{log} shows no speed')
    return float(rates[-1])

  def _learning_rate(self, speed: float) -> tuple[float, str, dict[str, Any]]:
    """Returns the rate, where it comes from, and the pilots' losses by rate."""
    if FLAGS.learning_rate:
      return FLAGS.learning_rate, 'flag', {}
    if not FLAGS.pilots:
      tried = (
        'piloted on one H200' if self._settings.was_piloted else 'not piloted'
      )
      return self._settings.learning_rate, f'table, {tried}', {}
    num_steps = self._num_steps(speed, FLAGS.pilot_minutes)
    losses = {x: self._pilot_loss(x, num_steps) for x in FLAGS.pilot_rates}
    best = min(losses, key=losses.get)
    if not FLAGS.dry_run and losses[best] == math.inf:
      raise UserError('--pilot_rates: the training diverged with each of them')
    device = 'a GPU' if self._gpus else 'a CPU'
    origin = f'pilots of {num_steps} steps on {device}'
    return float(best), origin, json_text.strict(losses)

  def _pilot_loss(self, rate: str, num_steps: int) -> float:
    """Returns a pilot's loss on the held-out text; infinite if it diverged."""
    training = self._training(f'pilot-{rate}', num_steps, float(rate))
    evaluation = self._evaluation(f'pilot-{rate}')
    try:
      _run(training, evaluation)
    except UserError:
      if not _diverged(_path('logs', f'{training.name}.log')):
        raise
      return math.inf
    if FLAGS.dry_run:
      return math.inf
    loss = result_files.read_eval_results(evaluation.done)['loss']
    return loss if math.isfinite(loss) else math.inf

  def _num_steps(self, speed: float, minutes: float) -> int:
    return max(1, round(minutes * 60 * speed / self._settings.batch_size))

  def _training(self, name: str, num_steps: int, rate: float) -> Step:
    """Trains a model."""
    folder = _path(self._name, name)
    given = {
      'do_train': True,
      **self._model(folder, 'train'),
      'initializer_range': self._settings.initializer_range,
      'train_batch_size': self._settings.batch_size,
      'learning_rate': rate,
      'num_train_steps': num_steps,
      'num_warmup_steps': num_steps // _WARM_UP,
      # Short runs see each record about once.
      'dropout_rate': 0,
      'log_steps': max(1, min(1000, num_steps // 20)),
      'save_checkpoints_steps': max(1, num_steps // 5),
      'keep_checkpoint_max': 1,
    }
    return Step(
      f'{self._name}/{name}',
      ('run_pretraining.py', *flag_words(given)),
      f'{folder}/{of_step(num_steps)}{INDEX}',
      title=f'trains {num_steps} steps',
    )

  def _evaluation(self, name: str) -> Step:
    """Evaluates a model on the held-out text."""
    folder = _path(self._name, f'{name}-heldout')
    given = {
      'do_eval': True,
      **self._model(folder, 'heldout'),
      'init_checkpoint': _path(self._name, name),
      'eval_batch_size': _EVAL_BATCH_SIZE,
      'max_eval_steps': FLAGS.eval_steps,
    }
    return Step(
      f'{self._name}/{name}-heldout',
      ('run_pretraining.py', *flag_words(given)),
      f'{folder}/eval_results.txt',
      title='evaluates on the held-out text',
    )

  def _model(self, output_dir: str, records: str) -> dict[str, Any]:
    """Returns the flags that training and evaluation share."""
    return {
      'input_file': _path(f'{records}.tfrecord'),
      'bert_size': self._size,
      'vocab_file': FLAGS.vocab_file,
      'output_dir': output_dir,
      'precision': self._precision,
      **_LENGTHS,
    }


if __name__ == '__main__':
  define_flags()
  script.run(main)
