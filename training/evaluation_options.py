"""The settings of evaluation and prediction. Nothing here imports TensorFlow.

Tested by `tests/training/task_folder_test.py` and
`tests/scripts/run_classifier_test.py`.
"""

import dataclasses

from system.errors import UserError
from system.settings import setting


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
  """Whether and how a trained model is evaluated."""

  do_eval: bool = setting(False, 'Whether to evaluate.')
  eval_batch_size: int = setting(
    8, 'Examples in an evaluation batch.', at_least=1
  )


@dataclasses.dataclass(frozen=True)
class TaskEvaluationOptions(EvaluationOptions):
  """How a task is evaluated and predicted, during and after training."""

  eval_split: str = setting(
    'dev',
    'Added: the split that --do_eval and --eval_steps use: dev, or test if it '
    "has labels. --do_eval evaluates MNLI's mismatched split as well.",
    needs=('do_eval|eval_steps',),
  )
  do_predict: bool = setting(
    False, 'Whether to predict the examples of --predict_split.'
  )
  predict_batch_size: int = setting(
    8, 'Examples in a prediction batch.', at_least=1
  )
  eval_steps: int = setting(
    0,
    'Added: steps between two evaluations on --eval_split during training; the '
    'last step is always evaluated. The best checkpoint is kept in '
    'output_dir/best, and --do_eval and --do_predict use it. 0 evaluates only '
    'after training.',
    at_least=0,
    needs=('do_train',),
  )
  metric_for_best: str | None = setting(
    None,
    "Added: the score that selects the best checkpoint: one of the task's "
    'metrics, f1:LABEL, precision:LABEL or recall:LABEL of one label, or loss. '
    "The default is the task's main metric.",
    needs=('eval_steps',),
  )
  early_stopping_patience: int | None = setting(
    None,
    'Added: ends training after this many evaluations in a row without a '
    'better score. The learning-rate schedule does not change.',
    at_least=1,
    needs=('eval_steps',),
  )
  calibrate: bool = setting(
    False,
    'Added: fits a temperature to the trained model on dev, and stores it next '
    'to the weights. --do_eval and --do_predict divide the logits by it, so '
    'that the probabilities fit the labels. Predicted labels do not change.',
    needs=('do_train|do_eval|do_predict',),
  )
  predict_split: str = setting(
    'test',
    'Added: the split that --do_predict uses: test or dev. MNLI: the '
    'mismatched split as well.',
    needs=('do_predict', '!predict_file'),
  )
  predict_file: str | None = setting(
    None,
    'Added: the texts that --do_predict uses instead of a split: a file with '
    'one sentence or tab-separated pair per line, or a table with the columns '
    "of the task's texts.",
    reads='file',
    needs=('do_predict',),
  )
  num_seeds: int = setting(
    1,
    'Added: trains and evaluates with this many seeds, --seed and those after '
    'it, each in output_dir/seed-<seed>. Writes the median and the spread of '
    'their scores to output_dir/seeds.json.',
    at_least=1,
  )

  def splits(self) -> list[str]:
    """Returns the names of the splits that are evaluated or predicted."""
    is_predicted = self.do_predict and not self.predict_file
    return [
      *[self.eval_split] * bool(self.do_eval or self.eval_steps),
      *['dev'] * self.calibrate,
      *[self.predict_split] * is_predicted,
    ]

  def check(self) -> None:
    """Checks settings that depend on each other.

    Raises:
      UserError: there are several seeds but no evaluation.
    """
    if self.num_seeds > 1 and not self.do_eval:
      raise UserError(
        f'`num_seeds`={self.num_seeds} needs `do_eval`, whose scores it '
        'summarises'
      )
