"""The settings of run_distillation.py. Nothing here imports TensorFlow.

Tested by `tests/distillation/transfer_set_test.py` and
`tests/scripts/run_distillation_test.py`.
"""

import dataclasses
import math
import os
import re

from data.tasks.task import MissingSplit
from distillation import dump_manifest
from distillation.import_options import ImportOptions
from system import files
from system.errors import UserError
from system.file_systems import local_path
from system.settings import MAX_SEED, setting
from training import seed_folders
from training.options import TaskJobOptions, TeacherOptions

# name[:version]:split:column or name[:version]:split:column_a+column_b
_TFDS = re.compile(r'([^:]+(?::\d[\d.*]*)?):([A-Za-z][^:]*(?:\[.*\])?):([^:]+)')


_MAKES_DUMP = 'do_dump_logits|do_import_logits'


@dataclasses.dataclass(frozen=True)
class TransferOptions:
  """The transfer set: the texts that the teacher scores.

  Sources, in this order: each entry of `transfer_file`, `transfer_split`,
  `transfer_tfds`.
  """

  transfer_file: tuple[str, ...] = setting(
    (),
    'Added: files of the transfer set, plain or gzip: text with a sentence or '
    'a tab-separated pair a line, or tables (.csv, .jsonl, .parquet, or TSV '
    'with a header) with the columns --text_column and --text_pair_column; '
    'names and globs, separated by commas.',
    reads='files',
    needs=('do_dump_logits',),
  )
  transfer_text_column: str | None = setting(
    None,
    'Added: the column of the tables in --transfer_file or --teacher_scores '
    'with the sentence, or the first of a pair, if its name differs from that '
    "in the task's own data.",
    needs=('transfer_file|teacher_scores',),
  )
  transfer_text_pair_column: str | None = setting(
    None,
    'Added: the column of the tables in --transfer_file or --teacher_scores '
    'with the second of a pair, if its name differs from that in the '
    "task's own data.",
    needs=('transfer_file|teacher_scores',),
  )
  transfer_split: str | None = setting(
    None,
    "Added: a split of the task whose text joins the transfer set: 'train'.",
    needs=('do_dump_logits',),
  )
  transfer_tfds: str | None = setting(
    None,
    'Added: a split of tensorflow-datasets whose text joins the transfer set: '
    'name:split:column, or name:split:column_a+column_b for pairs. With '
    '--data_source=tfds it is stored in --data_dir.',
    needs=('do_dump_logits',),
  )
  transfer_weights: tuple[str, ...] = setting(
    (),
    "Added: each source's share of the transfer set, relative to the others': "
    'a number for each entry of --transfer_file, then one for --transfer_split '
    'and --transfer_tfds if given. As many texts are drawn without '
    'replacement as the shares allow. If not given, all texts are used.',
    needs=('do_dump_logits',),
  )
  max_transfer_examples: int | None = setting(
    None,
    'Added: the most texts of the transfer set to use, drawn by '
    '--transfer_seed; a smaller set is part of a larger one.',
    at_least=1,
    needs=('do_dump_logits',),
  )
  transfer_seed: int = setting(
    12345,
    'Added: the seed of the draw of --max_transfer_examples and '
    '--transfer_weights.',
    at_least=0,
    at_most=MAX_SEED,
    needs=('do_dump_logits',),
  )

  def check(self) -> None:
    """Checks the sources and their weights.

    Raises:
      UserError: there is no source, `transfer_tfds` is malformed, a weight is
        not a number above 0, or there is not one weight for each source.
    """
    if not self.names():
      raise UserError(
        'give `transfer_file`, `transfer_split` or `transfer_tfds`, or several'
      )
    if self.transfer_tfds:
      self.tfds_parts()
    weights = self.weights()
    if not weights:
      return
    if len(weights) != len(self.names()):
      raise UserError(
        f'`transfer_weights` has {len(weights)} numbers, expected one for each '
        f'of {len(self.names())} sources: {", ".join(self.names())}'
      )
    if min(weights) <= 0:
      raise UserError('`transfer_weights` must all be above 0')

  def names(self) -> list[str]:
    """Returns the names of the sources, in their order."""
    others = filter(None, (self.transfer_split, self.transfer_tfds))
    return [*self.transfer_file, *others]

  def tfds_parts(self) -> tuple[str, str, list[str]]:
    """Returns the data set's name, the split and the columns.

    Raises:
      UserError: `transfer_tfds` is malformed.
    """
    if not (match := _TFDS.fullmatch(self.transfer_tfds)):
      raise UserError(
        f'`transfer_tfds`={self.transfer_tfds}: expected name:split:column, or '
        'name:split:column_a+column_b for pairs'
      )
    name, split, columns = match.groups()
    if len(names := columns.split('+')) > 2:
      raise UserError(
        f'`transfer_tfds`={self.transfer_tfds}: expected one or two columns, '
        f'got {len(names)}'
      )
    return name, split, names

  def weights(self) -> tuple[float, ...]:
    """Returns the sources' shares; none if all texts are used.

    Raises:
      UserError: an entry is not a finite number.
    """
    return tuple(map(_number, self.transfer_weights))


def _number(text: str) -> float:
  try:
    value = float(text)
  except ValueError:
    value = math.nan
  if not math.isfinite(value):
    raise UserError(f'`transfer_weights`: {text!r} is not a finite number')
  return value


@dataclasses.dataclass(frozen=True)
class DumpOptions(TeacherOptions):
  """How the dump of the teacher's logits is made."""

  do_dump_logits: bool = setting(
    False, 'Added: whether the teacher scores the transfer set.'
  )
  logits_dir: tuple[str, ...] = setting(
    (),
    'Added: the folder of the logits dump. A student can learn from the dumps '
    'of several teachers, separated by commas: from the mean of their '
    'probabilities, or of the numbers that they predict.',
    needs=(f'{_MAKES_DUMP}|do_train|do_eval',),
  )
  allow_weak_teacher: bool = setting(
    False,
    'Added: whether to accept a teacher that scores no better on dev than a '
    'constant prediction, or that cannot be scored because there is no dev.',
    needs=(_MAKES_DUMP,),
  )
  keep_text: bool = setting(
    False,
    'Added: whether the dump keeps its text, so that students with another '
    'vocabulary, casing or length can learn from it.',
    needs=(_MAKES_DUMP,),
  )
  dump_cls_layers: tuple[str, ...] = setting(
    (),
    "Added: the teacher's layers, counted from 1 and separated by commas, "
    'whose [CLS] states the dump stores, for students with --patient_weight.',
    needs=('do_dump_logits',),
  )
  num_logits_shards: int = setting(
    16,
    'Added: the number of files in the dump.',
    at_least=1,
    at_most=99_999,
    needs=(_MAKES_DUMP,),
  )
  num_shards: int = setting(
    1,
    'Added: how many jobs make the dump together, each with its own '
    '--shard_index and otherwise the same command.',
    at_least=1,
    needs=('do_dump_logits',),
  )
  shard_index: int | None = setting(
    None,
    'Added: the number of this job among --num_shards, from 0. The job makes '
    'the files whose number modulo --num_shards is this number.',
    at_least=0,
    needs=('do_dump_logits',),
  )

  @property
  def job(self) -> int:
    """The number of this job, from 0."""
    return self.shard_index or 0

  def cls_layers(self) -> list[int]:
    """Returns the layers of `dump_cls_layers`.

    Raises:
      UserError: they are no ascending numbers.
    """
    return _layers('dump_cls_layers', self.dump_cls_layers)


def _layers(name: str, texts: tuple[str, ...]) -> list[int]:
  """Returns a setting's layers; raises a `UserError` unless they ascend."""
  numbers = [int(text) if text.isdecimal() else 0 for text in texts]
  if 0 in numbers or sorted(set(numbers)) != numbers:
    raise UserError(
      f'`{name}`={",".join(texts)}: expected ascending numbers of layers, from '
      '1, such as 2,4'
    )
  return numbers


def no_dev(error: UserError) -> UserError:
  """Returns the error that a teacher has no dev split to be scored on."""
  return UserError(
    f'{error}. The teacher is scored on it, unless `allow_weak_teacher` is '
    'given.'
  )


@dataclasses.dataclass(frozen=True)
class StudentOptions:
  """How a student learns from its dumps."""

  temperature: float = setting(
    1.0,
    "Added: T. The teacher's and the student's logits are divided by T before "
    'the softmax, and the soft loss is multiplied by T^2 to keep the size of '
    'its gradient (Hinton et al. 2015). Turc et al. use 1.',
    at_least=0.01,
    needs=('do_train',),
    decides_weights=True,
  )
  hard_label_weight: float = setting(
    0.0,
    'Added: w. The loss of a text with a label is (1 - w) times its soft loss '
    'plus w times the loss of the label. Only texts of --transfer_split have '
    'labels.',
    at_least=0.0,
    at_most=1.0,
    needs=('do_train',),
    decides_weights=True,
  )
  patient_weight: float = setting(
    0.0,
    'Added: beta of Patient KD (Sun et al. 2019). Adds beta times the squared '
    "distance between the directions of the student's and the teacher's [CLS] "
    "states, averaged over the dump's layers (--dump_cls_layers). If the "
    "widths differ, a trained linear map of the student's states is compared; "
    'exported checkpoints lack it. 0 is the loss of Turc et al.',
    at_least=0.0,
    needs=('do_train',),
    decides_weights=True,
  )
  patient_layers: tuple[str, ...] = setting(
    (),
    "Added: the student's layers, counted from 1 and separated by commas, that "
    "match the dump's, one for each. The default spreads them evenly below the "
    'last layer.',
    needs=('do_train', 'patient_weight>0'),
    decides_weights=True,
  )
  # Settings that --from_run brought: they need not take effect.
  inherited: frozenset[str] = frozenset()

  def layers(self) -> list[int]:
    """Returns the layers of `patient_layers`.

    Raises:
      UserError: they are no ascending numbers.
    """
    return _layers('patient_layers', self.patient_layers)

  def check_hard_labels(self, has_labels: bool) -> None:
    """Checks that `hard_label_weight` can take effect.

    Args:
      has_labels: whether a text of the dump has a label.

    Raises:
      UserError: it cannot.
    """
    if (weight := self.hard_label_weight) and not has_labels:
      raise UserError(
        f'`hard_label_weight`={weight} cannot take effect: no text of the dump '
        'has a label (`transfer_split`=train adds some)'
      )


# Settings of other groups that only a student can use.
STUDENT_SETTINGS = (
  *('bert_config_file', 'bert_size', 'init_checkpoint', 'output_dir'),
  *('initializer_range', 'dropout_rate', 'log_steps', 'keep_checkpoint_max'),
  'extend_positions',
)


@dataclasses.dataclass(frozen=True)
class DistillationOptions(TaskJobOptions):
  """All settings of run_distillation.py."""

  transfer: TransferOptions
  dump: DumpOptions
  imported: ImportOptions
  student: StudentOptions

  @property
  def makes_dump(self) -> bool:
    """Whether a dump is made, by a teacher or of imported scores."""
    return self.dump.do_dump_logits or self.imported.do_import_logits

  @property
  def has_student(self) -> bool:
    """Whether a student is trained, evaluated or applied."""
    return (
      self.training.do_train
      or self.evaluation.do_eval
      or self.evaluation.do_predict
    )

  @property
  def needs_data(self) -> bool:
    """Whether the task's own files are read.

    A student that is only trained needs the dump alone.
    """
    if self.training.do_train and not self.makes_dump:
      return bool(self.splits())
    return super().needs_data

  def jobs_on_labels(self) -> list[str]:
    """Returns the given settings that need a task with labels."""
    dump = ['do_dump_logits'] * self.dump.do_dump_logits
    imported = ['do_import_logits'] * self.imported.do_import_logits
    return [*super().jobs_on_labels(), *dump, *imported]

  def check(self) -> None:
    """Checks settings that depend on each other.

    Raises:
      UserError: the settings are named.
    """
    super().check()
    self.student.layers()
    if self.training.do_train and self.training.output_dir:
      self._check_folders()
    if self.dump.do_dump_logits:
      self._check_dump()
      return
    if self.imported.do_import_logits:
      self._check_import()
      return
    for folder in self.dump.logits_dir:
      if local_path(folder) is not None:
        dump_manifest.read(folder)

  def _check_folders(self) -> None:
    """Refuses a dump in a folder that the student writes to."""
    output_dir = self.training.output_dir
    first, count = self.training.seed, self.evaluation.num_seeds
    seeds = range(first, first + count) if count > 1 else ()
    runs = [output_dir, *(seed_folders.folder(output_dir, n) for n in seeds)]
    own = {_real(x) for run in runs for x in (run, os.path.join(run, 'dump'))}
    for folder in self.dump.logits_dir:
      if _real(folder) in own:
        raise UserError(
          f'`logits_dir`={folder} is a folder that the student in '
          f'`output_dir`={output_dir} writes to: give another one'
        )

  def splits(self) -> list[str]:
    """Returns the names of the splits that the jobs read."""
    names = [self.transfer.transfer_split] * self.dump.do_dump_logits
    return [*filter(None, names), *self.evaluation.splits()]

  def _check_one_dump(self, job: str) -> None:
    self.task.check()
    if len(folders := self.dump.logits_dir) > 1:
      raise UserError(
        f'`{job}` writes one dump; `logits_dir` names {len(folders)}: '
        f'{", ".join(folders)}'
      )

  def _check_dev(self) -> None:
    try:
      self.task.check_splits(['dev'])
    except MissingSplit as error:
      raise no_dev(error) from error

  def _check_import(self) -> None:
    self._check_one_dump('do_import_logits')
    self.imported.check()
    if not self.dump.allow_weak_teacher:
      self.imported.check_dev()
      self._check_dev()
    student = self.student
    for name in ('hard_label_weight', 'patient_weight'):
      if self.training.do_train and (value := getattr(student, name)):
        raise UserError(
          f'`{name}`={value} cannot take effect: imported scores have neither '
          'true labels nor [CLS] states'
        )

  def _check_dump(self) -> None:
    dump = self.dump
    self._check_one_dump('do_dump_logits')
    if self.imported.do_import_logits:
      raise UserError(
        'give either `do_dump_logits` or `do_import_logits`: each makes a dump '
        'in `logits_dir`'
      )
    self.transfer.check()
    layers = dump.cls_layers()
    if not dump.allow_weak_teacher:
      self._check_dev()
    if dump.num_shards > 1 and dump.shard_index is None:
      raise UserError(
        '`num_shards` needs `shard_index`, the number of this job'
      )
    if dump.job >= dump.num_shards:
      raise UserError(
        f'`shard_index`={dump.job} must be below `num_shards`={dump.num_shards}'
      )
    if self.training.do_train:
      self.student.check_hard_labels(self.transfer.transfer_split is not None)
    patient_weight = self.student.patient_weight
    if self.training.do_train and patient_weight and not layers:
      raise UserError(
        f'`patient_weight`={patient_weight} needs '
        '`dump_cls_layers`: the dump would have no [CLS] states'
      )
    if dump.num_shards > 1 and self.has_student:
      raise UserError(
        'a student needs the whole dump: with `num_shards`, dump first, and '
        'train when all jobs are done'
      )


def _real(path: str) -> str:
  return files.real_path(path.rstrip('/'))
