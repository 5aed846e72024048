"""Chooses lengths, epochs and learning rates, each with its reason.

Every constant says what it rests on. A value that the user gives is taken as it
is. Tested by `tests/pipeline/defaults_test.py`.
"""

import dataclasses
import math

from modeling.configs import BertConfig
from pipeline.models import FINE_TUNED, Models
from pipeline.options import ChoiceOptions
from pipeline.text_statistics import TextStatistics
from system.errors import UserError

# The lengths that are chosen. Text of every length is padded to a bucket of its
# own anyway, so a longer one costs time only for the longest texts. There is no
# 512, because the memory of attention grows with the square of the length.
_LENGTHS = (32, 64, 96, 128, 192, 256)

# BERT's own default, and that of all measurements below.
_BATCH = 32

# BERT-Tiny, the best of 1e-4, 3e-4 and 1e-3 on a split of SST-2's training
# data (`recipes/paper/students.py` has the table).
_TINY_RATES = {
  ('labels', False): 3e-4,
  ('labels', True): 3e-4,
  ('distilled', False): 3e-4,
  ('distilled', True): 1e-3,
}
_TINY = 128
_TINY_LAYERS = 2
# 4/128 with 1e-3 is worse than with 3e-4 (the same table). Wider students were
# not measured. 3e-4 and 1e-4 are the highest rates in the list that
# google-research/bert's README gives for its compact models.
_SMALL, _SMALL_RATE, _LARGER_RATE = 256, 3e-4, 1e-4

# MiniLM's (H=384) in `recipes/quickstart.sh`, on 4,000 texts; BERT's own
# default for wider models.
_TEACHER_RATES = ((384, 1e-4), (math.inf, 5e-5))


@dataclasses.dataclass(frozen=True)
class _Duration:
  """The usual epochs; more up to a limit if they are less than some steps."""

  epochs: float
  min_steps: int
  max_epochs: float


# BERT's default; the quickstart's teacher has 187 steps. Mosbach et al. 2021
# (arXiv 2006.04884) fine-tune on small sets for 20 epochs.
_TEACHER = _Duration(3.0, 150, 20.0)
# The quickstart's students have about 1,310 steps of distillation, on some
# 21,000 texts; their words are few. Not tuned.
_DISTILLED = _Duration(3.0, 2000, 100.0)
_ON_LABELS = _Duration(3.0, 500, 50.0)


@dataclasses.dataclass(frozen=True)
class Choice:
  """A value and why it was chosen."""

  value: int | float
  reason: str


@dataclasses.dataclass(frozen=True)
class Choices:
  """The chosen values; the names are those of the flags."""

  max_seq_length: Choice
  train_batch_size: Choice
  learning_rate: Choice
  num_train_epochs: Choice
  labels_learning_rate: Choice
  labels_epochs: Choice
  # None if the teacher is not trained here.
  teacher_learning_rate: Choice | None = None
  teacher_epochs: Choice | None = None


def choose(
  given: ChoiceOptions,
  texts: TextStatistics,
  models: Models,
  is_pretrained: bool,
) -> Choices:
  """Returns the values of all trainings.

  Args:
    given: the user's; None for those to choose.
    texts: how many and how long.
    models: their sizes and limits.
    is_pretrained: whether the student starts from an encoder.

  Raises:
    UserError: `max_seq_length` does not fit a model or the dump, or a value is
      for the training of a teacher that is fine-tuned already.
  """
  teacher = models.teacher
  if teacher.kind == FINE_TUNED:
    _check_no_training(given, teacher.path)
  batch = _or(given.train_batch_size, Choice(_BATCH, "BERT's default"))
  num, size = texts.num, batch.value
  student = models.student
  return Choices(
    _length(given.max_seq_length, texts, models),
    batch,
    _or(given.learning_rate, _rate('distilled', student, is_pretrained)),
    _or(given.num_train_epochs, _epochs(num['transfer'], size, _DISTILLED)),
    _or(given.labels_learning_rate, _rate('labels', student, is_pretrained)),
    _or(given.labels_epochs, _epochs(num['train'], size, _ON_LABELS)),
    *(_of_teacher(given, teacher.config, num['train'], size))
    if teacher.is_trained_here
    else (),
  )


def _check_no_training(given: ChoiceOptions, teacher: str) -> None:
  for name in ('teacher_learning_rate', 'teacher_epochs'):
    if (value := getattr(given, name)) is not None:
      raise UserError(
        f'`{name}`={value} cannot take effect: the teacher in {teacher} is '
        'fine-tuned already'
      )


def _of_teacher(
  given: ChoiceOptions, config: BertConfig, num_train: int, batch: int
) -> tuple[Choice, Choice]:
  """Returns the learning rate and the epochs of the teacher."""
  hidden = config.hidden_size
  rate = next(rate for width, rate in _TEACHER_RATES if hidden <= width)
  reason = f'for teachers of width {hidden}'
  return (
    _or(given.teacher_learning_rate, Choice(rate, reason)),
    _or(given.teacher_epochs, _epochs(num_train, batch, _TEACHER)),
  )


def _or(value: int | float | None, choice: Choice) -> Choice:
  return choice if value is None else Choice(value, 'given')


def _length(given: int | None, texts: TextStatistics, models: Models) -> Choice:
  """Chooses S.

  A dump's own length is taken: its inputs are stored.
  """
  limit = models.limit
  if manifest := models.teacher.manifest:
    limit = manifest.max_seq_length
    if given not in (None, limit):
      raise UserError(
        f'`max_seq_length`={given} does not fit the dump, whose inputs were '
        f'cut at {limit}'
      )
    return Choice(limit, 'that of the dump')
  if given is not None:
    if given > limit:
      raise UserError(
        f'`max_seq_length`={given} is more than teacher and student can read, '
        f'{limit}'
      )
    return Choice(given, 'given')
  longest = texts.percentile('train')
  value = next((x for x in _LENGTHS if x >= longest), _LENGTHS[-1])
  value = min(value, limit)
  reason = f'99 % of the labelled texts have at most {longest:,} tokens'
  if longest > value:
    reason += (
      f'; it cuts {texts.share_longer(value):.1%} of them, and more would take '
      'more time and memory'
    )
  return Choice(value, reason)


def _rate(method: str, student: BertConfig, is_pretrained: bool) -> Choice:
  hidden, layers = student.hidden_size, student.num_hidden_layers
  if hidden <= _TINY and layers <= _TINY_LAYERS:
    rate = _TINY_RATES[method, is_pretrained]
    return Choice(rate, 'the best for BERT-Tiny on SST-2')
  rate = _SMALL_RATE if hidden <= _SMALL else _LARGER_RATE
  if hidden <= _TINY:
    return Choice(rate, 'better than 1e-3 for 4/128 on SST-2')
  return Choice(rate, f'for students of width {hidden}; not compared')


def _epochs(num_examples: int, batch: int, duration: _Duration) -> Choice:
  """Returns the usual number of epochs, or more if they are too few steps."""
  needed = math.ceil(duration.min_steps * batch / num_examples)
  value = float(min(max(duration.epochs, needed), duration.max_epochs))
  steps = int(num_examples * value / batch)
  reason = f'{steps:,} steps'
  if value > duration.epochs:
    reason += (
      f'; {duration.epochs:g} epochs of {num_examples:,} texts would be too few'
    )
  return Choice(value, reason)
