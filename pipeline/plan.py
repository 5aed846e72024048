"""A pipeline's plan: its inputs, its chosen values, and where everything is.

  table ─▶ data ─▶ bag of words
                └▶ teacher ─▶ dump ─▶ student
                └▶ student on labels only

Everything is below the output folder. `stages` turns a plan into commands.
Tested by `tests/pipeline/stages_test.py`.
"""

import dataclasses
import os

from data.tasks.labelled import Labelled
from modeling.checkpoints.file_names import VOCAB
from pipeline import models
from pipeline.defaults import Choices
from pipeline.estimates import Work
from pipeline.models import Models
from pipeline.options import PipelineOptions
from pipeline.text_statistics import TextStatistics
from system.steps import Step

BAG_OF_WORDS, ON_LABELS = 'bag-of-words', 'labels-only'
DISTILLED, TEACHER = 'distilled', 'teacher'
# The methods, in the order of the final table.
METHODS = (BAG_OF_WORDS, ON_LABELS, DISTILLED, TEACHER)

# A batch that is only scored.
SCORED_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Stage:
  """A command and about how long it takes, in seconds."""

  step: Step
  seconds: float


@dataclasses.dataclass(frozen=True)
class Plan:
  """Everything that decides the commands.

  Attributes:
    options: the user's.
    labelled: the labelled texts.
    texts: their numbers and lengths.
    models: the teacher and the student.
    choices: the values of the trainings.
    rate: operations per second, for the estimates.
  """

  options: PipelineOptions
  labelled: Labelled
  texts: TextStatistics
  models: Models
  choices: Choices
  rate: float

  def path(self, *names: str) -> str:
    """Returns a path below the output folder."""
    return os.path.join(self.options.job.output_dir, *names)

  @property
  def data_dir(self) -> str:
    """The folder with train, dev and test."""
    return self.options.source.data_dir or self.path('data')

  @property
  def results_dir(self) -> str:
    """The folder of the result files."""
    return self.path('results')

  @property
  def experiment_file(self) -> str:
    """What the report reads in addition to the results."""
    return os.path.join(self.results_dir, 'experiment.json')

  @property
  def imported_dir(self) -> str:
    """The folder that takes a converted Hugging Face teacher."""
    return self.path('teacher-start')

  @property
  def vocab_file(self) -> str:
    """The vocabulary of all models."""
    found = self.models.vocab_file
    return found or os.path.join(self.imported_dir, VOCAB)

  @property
  def logits_dir(self) -> str:
    """The folder of the dump."""
    return self.options.models.logits_dir or self.path('dump')

  def folder(self, method: str) -> str:
    """Returns the folder of a model's run."""
    return self.path('student' if method == DISTILLED else method)

  def predictions(self, method: str) -> str:
    """Returns the file that a model's run writes last."""
    return os.path.join(self.folder(method), 'predictions.tsv')

  def result(self, method: str) -> str:
    """Returns the path of a method's result."""
    name = method
    if method == BAG_OF_WORDS:  # The tool gives the name.
      name = f'{method}_seed{self.options.job.seed}'
    return os.path.join(self.results_dir, f'{name}.json')

  def methods(self) -> list[str]:
    """Returns the methods that are trained or scored."""
    left_out = []
    if not self.options.job.compare_labels_only:
      left_out.append(ON_LABELS)
    if self.models.teacher.kind == models.DUMP:
      left_out.append(TEACHER)
    return [method for method in METHODS if method not in left_out]

  def task_flags(self) -> dict[str, object]:
    """Returns the flags of the task, which all models share."""
    is_lower = self.models.do_lower_case
    return {
      'task_name': 'custom',
      'data_dir': self.data_dir,
      **self.labelled.columns,
      'vocab_file': self.vocab_file,
      'do_lower_case': None if is_lower else False,
      'max_seq_length': self.choices.max_seq_length.value,
    }

  def scored_flags(self, method: str) -> dict[str, object]:
    """Returns the flags that score a model into its folder."""
    split = self.labelled.scored_split
    return {
      'do_eval': True,
      'eval_split': None if split == 'dev' else split,
      'do_predict': True,
      'predict_split': None if split == 'test' else split,
      'eval_batch_size': SCORED_BATCH,
      'predict_batch_size': SCORED_BATCH,
      'output_dir': self.folder(method),
    }

  def work(self, method: str, num_examples: float, texts: str) -> Work:
    """Returns the work of training a model and scoring it.

    Args:
      method: the model's.
      num_examples: in all epochs; 0 if it is not trained.
      texts: what it reads, 'train' or 'transfer'.
    """
    config = self.models.student
    if method == TEACHER:
      config = self.models.teacher.config
    return Work(
      config,
      num_examples,
      # The evaluation, and training's own start.
      self.texts.num[self.labelled.scored_split],
      self.texts.mean_length(texts, self.choices.max_seq_length.value),
      self.choices.train_batch_size.value,
    )
