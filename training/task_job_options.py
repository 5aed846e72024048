"""The settings of run_classifier.py. Nothing here imports TensorFlow.

Tested by `tests/scripts/run_classifier_test.py` and
`tests/scripts/run_distillation_test.py`.
"""

import dataclasses

from data.tasks.options import TaskOptions
from data.text.vocabulary_options import TokenizerOptions
from devices.options import DeviceOptions
from modeling.options import ModelOptions
from training.evaluation_options import TaskEvaluationOptions
from training.options import Epochs, RunSettings, TrainingOptions


@dataclasses.dataclass(frozen=True)
class TaskJobOptions:
  """The settings of run_classifier.py, which every job on a task takes."""

  model: ModelOptions
  tokenizer: TokenizerOptions
  training: TrainingOptions
  epochs: Epochs
  task: TaskOptions
  evaluation: TaskEvaluationOptions
  devices: DeviceOptions

  @property
  def needs_data(self) -> bool:
    """Whether the task's own files are read."""
    # The labels of a model that predicts a file are next to its weights.
    is_file_alone = (
      self.evaluation.predict_file and not self.evaluation.splits()
    )
    return self.training.do_train or not is_file_alone

  def check(self) -> None:
    """Checks settings that depend on each other.

    Raises:
      UserError: the message names the settings.
    """
    self.task.check(needs_data=self.needs_data)
    self.devices.check()
    self.evaluation.check()
    self.model.check()
    self.task.check_splits(self.splits())

  def splits(self) -> list[str]:
    """Returns the names of the splits that the jobs read."""
    return [*['train'] * self.training.do_train, *self.evaluation.splits()]

  def jobs_on_labels(self) -> list[str]:
    """Returns the given settings that need a task with labels."""
    given = {
      'do_train': self.training.do_train,
      'do_eval': self.evaluation.do_eval,
      'calibrate': self.evaluation.calibrate,
    }
    return [name for name, is_given in given.items() if is_given]

  def settings(self, num_examples: int) -> RunSettings:
    """Returns the settings of a run whose epoch has `num_examples` examples.

    Raises:
      UserError: its epochs are less than one step.
    """
    num_steps, num_warmup_steps = self.epochs.num_steps(
      num_examples, self.training.train_batch_size
    )
    return RunSettings(
      **vars(self.training),
      num_train_steps=num_steps,
      num_warmup_steps=num_warmup_steps,
      precision=self.devices.precision,
      eval_steps=self.evaluation.eval_steps,
    )
