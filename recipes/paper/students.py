"""Students: how each method of the paper trains one, as steps.

basic         labels, from random weights
PF            labels, from a pre-trained encoder
distillation  a teacher's logits on the transfer set, from random weights
PD            the same, from a pre-trained encoder
PDF           PD, then labels
"""

import dataclasses
import os
import shutil
from collections.abc import Mapping, Sequence

from modeling.checkpoints import location
from recipes.paper.stages import Encoder, Stages
from recipes.paper.transfer_sets import Dump
from system.errors import UserError
from system.steps import Step, flag_words
from tools import run_result

METHODS = ('basic', 'distillation', 'PF', 'PD', 'PDF')

# The best of 1e-4, 3e-4 and 1e-3 on a split of SST-2's training data, by
# `recipes.paper.selection` at scale cpu: one seed, 1,000 examples. BERT-Tiny
# started from the encoder of encoders/, pre-trained on 6.6 million records,
# 4/128 from one pre-trained on 448,000.
#
#                     2/128                 4/128
#                 1e-4   3e-4   1e-3    1e-4   3e-4   1e-3
#   basic         0.791  0.791  0.784
#   PF            0.803  0.803  0.783   0.786  0.795  0.736
#   distillation  0.811  0.824  0.822          0.826  0.460
#   PD            0.806  0.845  0.858          0.858  0.759
#
# `selection` now plans 3e-3, too, which has not been run, nor have the gaps.
#
# The dump had 100,000 film sentences, read three times. With 11,000, read ten
# times, 2/128 has: distillation 0.737, 0.750, 0.703, PD 0.757, 0.776, 0.773.
#
# PDF starts from weights that are trained already; its rate was not compared.
_LEARNING_RATES = {
  '2/128': {
    'basic': 3e-4,
    'PF': 3e-4,
    'distillation': 3e-4,
    'PD': 1e-3,
    'PDF': 1e-4,
  },
  '4/128': {
    'basic': 3e-4,
    'PF': 3e-4,
    'distillation': 3e-4,
    'PD': 3e-4,
    'PDF': 1e-4,
  },
}


def learning_rate(method: str, size: str) -> float:
  """Returns the learning rate of a method for a size.

  Larger sizes that `selection` has not compared have the rates of 4/128.
  """
  return _LEARNING_RATES.get(size, _LEARNING_RATES['4/128'])[method]


@dataclasses.dataclass(frozen=True)
class Start:
  """The weights that a student starts from.

  Attributes:
    name: of the start, in the names of runs.
    encoder: the encoder; None for random weights.
    init: which of its weights are loaded, as `--init`.
  """

  name: str
  encoder: Encoder | None = None
  init: str = 'all'

  def flags(self) -> dict[str, object]:
    """Returns the flags of the start."""
    if self.encoder is None:
      return {}
    return {
      'init_checkpoint': self.encoder.checkpoint,
      'init': None if self.init == 'all' else self.init,
    }

  @property
  def needs(self) -> tuple[Step, ...]:
    """The steps that make the encoder."""
    return self.encoder.needs if self.encoder else ()


RANDOM = Start('random')
# The name of the start from an encoder that is pre-trained here, on `wiki/`.
OWN = 'own'


@dataclasses.dataclass(frozen=True)
class Student:
  """A student's run.

  Attributes:
    name: unique among all experiments of a scale.
    step: done when the run's result is recorded.
    trained: the same step, done while the run's folder exists.
    result: the path of the result's file.
    folder: the run's folder. It is removed when its result is recorded, unless
      a later run starts from it, or it was finished by another program.
    given: the checkpoint from --encoders that it starts from, if any.
  """

  name: str
  step: Step
  trained: Step
  result: str
  folder: str
  given: str | None = None


@dataclasses.dataclass(frozen=True)
class _Origin:
  """What a run learns, from which weights and data.

  Attributes:
    task: the task.
    size: the student's.
    seed: the run's.
    start: its initial weights.
    data: the name of what it learns from.
    needs: the steps that make that.
  """

  task: str
  size: str
  seed: int
  start: Start
  data: str
  needs: tuple[Step, ...]

  def name(self, settings: Mapping[str, object]) -> str:
    """Returns the run's name; other settings give another name."""
    parts = [self.task, self.size.replace('/', '-'), self.data, self.start.name]
    parts += [
      f'{key}-{os.path.basename(str(value))}' for key, value in settings.items()
    ]
    return '_'.join([*parts, f'seed{self.seed}'])


@dataclasses.dataclass(frozen=True)
class Students:
  """Plans students, each once for all experiments.

  Attributes:
    stages: the shared stages.
    runs_dir: takes a result file for each run.
    kept: the names of the runs whose folders stay, as other runs start there or
      may do so. `keep_folders` tells other processes.
  """

  stages: Stages
  runs_dir: str
  kept: set[str] = dataclasses.field(default_factory=set)

  def start(self, size: str) -> Start:
    """Returns the start from the pre-trained encoder of a size.

    Its name tells encoders that were given from those that are pre-trained
    here: they saw other texts, so their runs are not the same.
    """
    name = 'given' if size in self.stages.encoders else OWN
    return Start(name, self.stages.encoder(size))

  def on_labels(
    self,
    task: str,
    size: str,
    seed: int,
    start: Start,
    method: str | None = None,
    needs: tuple[Step, ...] = (),
    **changes,
  ) -> Student:
    """Fine-tunes on the task's labels.

    Args:
      task: the task.
      size: the student's.
      seed: the run's.
      start: its initial weights.
      method: decides the learning rate: by default PF, or basic from random
        weights.
      needs: steps that the run needs besides.
      **changes: other flags than the scale's.
    """
    method = method or ('basic' if start.encoder is None else 'PF')
    settings = {
      'num_train_epochs': self.stages.scale.fine_tuning_epochs,
      'learning_rate': learning_rate(method, size),
      **changes,
    }
    return self._student(
      'run_classifier.py',
      _Origin(task, size, seed, start, 'labels', needs),
      settings,
    )

  def on_dump(
    self, task: str, size: str, seed: int, start: Start, dump: Dump, **changes
  ) -> Student:
    """Distils from a dump; see `on_labels`."""
    method = 'distillation' if start.encoder is None else 'PD'
    settings = {
      'num_train_epochs': self.stages.scale.distillation_epochs,
      'learning_rate': learning_rate(method, size),
      **changes,
    }
    return self._student(
      'run_distillation.py',
      _Origin(task, size, seed, start, dump.name, dump.needs),
      settings,
      logits_dir=','.join(dump.folders),
    )

  def after(self, student: Student) -> Start:
    """Returns a start from another student."""
    self.kept.add(student.name)
    encoder = Encoder(student.name, student.folder, (student.trained,))
    return Start(student.name, encoder)

  def _student(
    self,
    script: str,
    origin: _Origin,
    settings: Mapping[str, object],
    **flags: object,
  ) -> Student:
    """Plans a run; its settings are part of its name, other flags are not."""
    name, task, size = origin.name(settings), origin.task, origin.size
    folder = self.stages.path('runs', name)
    scale = self.stages.scale
    words = flag_words(
      {
        **self.stages.task_flags(task),
        'bert_size': size,
        **origin.start.flags(),
        'do_train': True,
        'do_eval': True,
        'train_batch_size': scale.train_batch_size,
        'eval_batch_size': scale.eval_batch_size,
        'save_checkpoints_steps': 5000,
        'keep_checkpoint_max': 1,
        'output_dir': folder,
        'seed': origin.seed,
        **scale.device,
        **flags,
        **settings,
      }
    )
    result = os.path.join(self.runs_dir, f'{name}.json')
    # Another folder of the task's files is that of `tools.selection_split`.
    split = 'selection' if 'data_dir' in settings else None
    keys = {'run': name, 'task': task, 'size': size, 'seed': origin.seed}

    def record(seconds: float | None) -> None:
      run_result.write_of_step(result, folder, keys, seconds, split)
      if name not in self.kept and not os.path.exists(self._mark(name)):
        shutil.rmtree(folder)

    step = Step(
      f'runs/{name}',
      (script, *words),
      result,
      (*origin.needs, *origin.start.needs),
      record,
    )
    trained = dataclasses.replace(
      step, done=os.path.join(folder, 'eval_results.txt')
    )
    encoder = origin.start.encoder
    is_given = encoder in map(self.stages.encoder, self.stages.encoders)
    given = encoder.checkpoint if is_given else None
    return Student(name, step, trained, result, folder, given)

  def keep_folders(self) -> None:
    """Makes other processes, which may make the runs of `kept`, keep them."""
    os.makedirs(self.stages.path('kept'), exist_ok=True)
    for name in self.kept:
      with open(self._mark(name), 'w'):
        pass

  def _mark(self, name: str) -> str:
    """Returns the file that says that a run's folder stays."""
    return self.stages.path('kept', name)

  def check_starts(self, students: Sequence[Student]) -> None:
    """Refuses results of runs that started from another given encoder.

    Raises:
      UserError: there is such a result; names it.
    """
    given = {x.given for x in students if x.given and os.path.exists(x.result)}
    checksums = {path: location.locate(path).checksum() for path in given}
    for student in students:
      if student.given not in checksums or not os.path.exists(student.result):
        continue
      found = run_result.read(student.result)['init_checkpoint']
      if found not in (None, checksums[student.given]):
        raise UserError(
          f'{student.result} is the result of another encoder than '
          f'--encoders={student.given}: expected the SHA-256 '
          f'{checksums[student.given]}, got {found}. Give another --runs_dir'
        )
