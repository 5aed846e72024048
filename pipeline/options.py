"""The settings of run_pipeline.py. Nothing here imports TensorFlow.

Tested by `tests/pipeline/options_test.py`.
"""

import dataclasses

from data.tasks.labelled import LabelledOptions
from data.text.vocabulary_options import TokenizerOptions
from system.errors import UserError
from system.settings import MAX_SEED, setting


@dataclasses.dataclass(frozen=True)
class SourceOptions(LabelledOptions):
  """The unlabelled texts, in addition to the labelled ones."""

  transfer_file: tuple[str, ...] = setting(
    (),
    'Added: the unlabelled texts that the teacher labels for the student: text '
    'with one sentence or tab-separated pair per line, or tables; names and '
    'globs, separated by commas. The training texts are added. Without this '
    'flag, the student learns from the training texts only.',
    reads='files',
  )
  transfer_text_column: str | None = setting(
    None,
    'Added: the column of the tables in --transfer_file with the sentence, or '
    'the first of a pair; by default that of the labelled texts.',
    needs=('transfer_file',),
  )
  transfer_text_pair_column: str | None = setting(
    None,
    'Added: the column of the tables in --transfer_file with the second of a '
    'pair; by default that of the labelled texts.',
    needs=('transfer_file',),
  )


@dataclasses.dataclass(frozen=True)
class ModelsOptions:
  """The teacher and the student."""

  teacher: str | None = setting(
    None,
    'Added: the teacher: a Hugging Face folder or a BERT checkpoint, which is '
    'fine-tuned; or the folder of a model that was fine-tuned on these labels, '
    'and on pairs if the data has pairs, which is used as it is.',
    reads='checkpoint',
  )
  logits_dir: str | None = setting(
    None,
    'Added: instead of --teacher, the logits dump that run_distillation.py has '
    'made with one.',
  )
  bert_size: str | None = setting(
    None,
    "Added: the student's size, layers/hidden, such as 2/128, or tiny, mini, "
    'small, medium, base; it starts from random weights.',
  )
  init_checkpoint: str | None = setting(
    None,
    'The compact encoder that the student starts from, instead of --bert_size. '
    'The default is the BERT-Tiny that comes with this project, which has the '
    'released uncased vocabulary.',
    reads='checkpoint',
  )

  def start(self) -> str | None:
    """Returns the encoder that the student starts from; None for none."""
    if self.bert_size:
      return None
    if self.init_checkpoint:
      return self.init_checkpoint
    # It imports NumPy, which --help does not need.
    from modeling.checkpoints import embedded_encoder

    return embedded_encoder.path()

  @property
  def is_embedded(self) -> bool:
    """Whether the student starts from the project's own encoder."""
    return not (self.bert_size or self.init_checkpoint)


@dataclasses.dataclass(frozen=True)
class ChoiceOptions:
  """Values computed from the model's size and the data unless given."""

  max_seq_length: int | None = setting(
    None,
    'The maximum input length in wordpieces; longer texts are cut. Chosen from '
    'the lengths of the labelled texts.',
    at_least=3,
    at_most=1 << 16,
  )
  train_batch_size: int | None = setting(
    None, 'Examples in a training batch.', at_least=1
  )
  learning_rate: float | None = setting(
    None,
    'The peak learning rate of the student that is distilled.',
    more_than=0.0,
  )
  num_train_epochs: float | None = setting(
    None, "The student's epochs over the transfer set.", more_than=0.0
  )
  labels_learning_rate: float | None = setting(
    None,
    'Added: the peak learning rate of the student that is trained on labels '
    'only.',
    more_than=0.0,
    needs=('compare_labels_only',),
  )
  labels_epochs: float | None = setting(
    None,
    'Added: the epochs of the student that is trained on labels only.',
    more_than=0.0,
    needs=('compare_labels_only',),
  )
  teacher_learning_rate: float | None = setting(
    None,
    'Added: the peak learning rate of the teacher.',
    more_than=0.0,
    needs=('teacher',),
  )
  teacher_epochs: float | None = setting(
    None,
    "Added: the teacher's epochs over train.",
    more_than=0.0,
    needs=('teacher',),
  )


@dataclasses.dataclass(frozen=True)
class JobOptions:
  """Where the results go, and how the command runs."""

  output_dir: str | None = setting(
    None,
    'The folder for everything that is made. The same command resumes in it.',
  )
  seed: int = setting(
    12345,
    'Added: the seed of all trainings.',
    at_least=0,
    at_most=MAX_SEED,
  )
  allow_weak_teacher: bool = setting(
    False,
    'Added: whether to distil a teacher that is no better on dev than a '
    'constant prediction.',
    needs=('!logits_dir',),
  )
  compare_labels_only: bool = setting(
    True,
    'Added: whether to also train the student on labels only, to compare.',
  )
  dry_run: bool = setting(
    False, 'Added: whether to print the plan and its commands, and end.'
  )


@dataclasses.dataclass(frozen=True)
class PipelineOptions:
  """All settings of run_pipeline.py."""

  source: SourceOptions
  models: ModelsOptions
  tokenizer: TokenizerOptions
  choices: ChoiceOptions
  job: JobOptions

  def check(self) -> None:
    """Checks settings that depend on each other.

    Raises:
      UserError: the message names the settings.
    """
    self.source.check()
    models = self.models
    if bool(models.teacher) == bool(models.logits_dir):
      raise UserError('give either `teacher` or `logits_dir`')
    if models.bert_size and models.init_checkpoint:
      raise UserError(
        'give either `bert_size` or `init_checkpoint`, the student'
      )
    if models.logits_dir and self.source.transfer_file:
      raise UserError(
        '`transfer_file` cannot take effect: the dump in `logits_dir` has its '
        'texts'
      )
