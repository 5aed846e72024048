"""Classifiers and regressors: what is minimised, measured and predicted.

A regressor is a classifier of one output whose logit is the predicted number.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from data.tasks.examples import Example
from data.tasks.task import Task
from devices.strategies import STATIC_SHAPES, num_scoring_threads
from modeling.dropout import DropoutKey
from modeling.models import Classifier
from system import threads
from system.progress import Progress
from training import losses
from training.fit import LossFunction
from training.metrics import compute_scores

_INPUTS = ('input_ids', 'input_mask', 'segment_ids')


def make_task_loss(model: Classifier, task: Task) -> LossFunction:
  """Returns the cross-entropy of the labels, or the squared error."""

  def loss_function(batch, dropout: DropoutKey | None):
    logits = model(batch, dropout=dropout)['logits']
    weights = tf.cast(batch['is_real_example'], tf.float32)
    labels, denominator = batch['label_ids'], batch['example_denominator']
    return {'loss': _hard_loss(task, logits, labels, weights, denominator)}

  return loss_function


def make_distillation_loss(
  model: Classifier,
  task: Task,
  temperature: float = 1.0,
  hard_label_weight: float = 0.0,
) -> LossFunction:
  """Returns the loss of a student under its teacher's predictions.

  An example's soft loss is the cross-entropy under the teacher's soft labels,
  at a temperature (`losses.soft_cross_entropy`), or the squared distance to its
  predicted number. Where an example has a label, its loss is (1 - w) soft + w
  hard, with the label's cross-entropy or squared error; where it has none, its
  loss is the soft one. All are divided by the number of examples in the global
  batch. At T = 1 and w = 0 this is Turc et al.'s (section 2).

  Args:
    model: the student.
    task: says whether numbers are predicted.
    temperature: T; of no effect on numbers.
    hard_label_weight: w in [0, 1]; above 0, batches have `label_ids`, with -1,
      or NaN for numbers, where there is no label.
  """

  def soft_loss(logits, batch, weights):
    teacher, denominator = batch['teacher_logits'], batch['example_denominator']
    if task.is_regression:
      targets = tf.reshape(teacher, [-1])
      return losses.squared_error(logits[:, 0], targets, weights, denominator)
    return losses.soft_cross_entropy(
      logits, teacher, weights, denominator, temperature
    )

  def loss_function(batch, dropout: DropoutKey | None):
    logits = model(batch, dropout=dropout)['logits']
    if not hard_label_weight:
      return {'loss': soft_loss(logits, batch, tf.ones_like(logits[:, 0]))}
    labels, denominator = batch['label_ids'], batch['example_denominator']
    known = tf.math.is_finite(labels) if task.is_regression else labels >= 0
    labels = tf.where(known, labels, tf.zeros_like(labels))
    weights = hard_label_weight * tf.cast(known, tf.float32)
    hard = _hard_loss(task, logits, labels, weights, denominator)
    soft = soft_loss(logits, batch, 1.0 - weights)
    return {'loss': soft + hard, 'soft_loss': soft, 'hard_loss': hard}

  return loss_function


def _hard_loss(task: Task, logits, labels, weights, denominator) -> tf.Tensor:
  if task.is_regression:
    return losses.squared_error(logits[:, 0], labels, weights, denominator)
  return losses.cross_entropy(logits, labels, weights, denominator)


class Predictor:
  """Computes a model's logits; one traced function for all its calls.

  Every local replica of the strategy, in whose scope the predictor was made,
  takes its share of a batch's rows.
  """

  def __init__(self, model: Classifier):
    """Traces nothing yet; the first batch does."""
    self.examples_per_second = 0.0
    self._strategy = strategy = tf.distribute.get_strategy()
    # Other workers' replicas don't count: each worker computes every row.
    local = strategy.experimental_distribute_values_from_function(lambda _: 0)
    self._num_replicas = len(strategy.experimental_local_results(local))

    def logits_of_replica(batch):
      return model(self._share(batch))['logits']

    # Under a TPU's strategy this name becomes a scope's; a lambda's cannot.
    def logits(inputs):
      return strategy.run(
        logits_of_replica, args=(inputs,), options=STATIC_SHAPES
      )

    self._num_threads = num_scoring_threads()
    # Traced once, for all shapes: a trace of known shapes may be optimized in
    # another way, and round otherwise. But a TPU must know them.
    self._is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    any_shape = dict.fromkeys(_INPUTS, tf.TensorSpec([None, None], tf.int32))
    self._logits = tf.function(logits, None if self._is_tpu else [any_shape])

  def _share(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns this replica's rows."""
    rows = batch['input_ids'].shape[0] or tf.shape(batch['input_ids'])[0]
    share = rows // self._num_replicas
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    start = share * (replica % self._num_replicas)
    return {x: tf.slice(batch[x], [start, 0], [share, -1]) for x in _INPUTS}

  def predict(
    self,
    batches: Iterable[Mapping[str, tf.Tensor | np.ndarray]],
    num_examples: int,
    on_progress: Callable[[int], None] | None = None,
  ) -> np.ndarray:
    """Computes the logits of every example once.

    Args:
      batches: as `input_pipeline.inference_batches`, or `..._from`.
      num_examples: N.
      on_progress: told how many are done, after each batch; where it is not
        given, progress is shown here.

    Returns:
      float32 [N, C], in the order of the examples.
    """
    if on_progress is None:
      with Progress(num_examples, ' examples') as progress:
        return self.predict(batches, num_examples, progress.update)
    rows, outputs = [], []
    seen, timed, seconds = set(), 0, 0.0
    num_done = 0
    batches = iter(batches)
    with ThreadPoolExecutor(self._num_threads) as pool:
      # Alone, for it traces the function: nothing else may seem to be fast.
      first = pool.submit(self._with_logits, next(batches)).result()
      others = threads.ordered_map(
        pool, self._num_threads, self._with_logits, batches
      )
      before = time.perf_counter()
      for batch, logits in itertools.chain([first], others):
        rows.append(np.asarray(batch['example_index']))
        outputs.append(logits[: len(rows[-1])])
        now = time.perf_counter()
        traced = batch['input_ids'].shape if self._is_tpu else None
        if traced in seen:
          timed += len(rows[-1])
          seconds += now - before
        before = now
        seen.add(traced)
        num_done += len(rows[-1])
        on_progress(min(num_done, num_examples))
    self.examples_per_second = timed / seconds if seconds else 0.0
    rows, outputs = np.concatenate(rows), np.concatenate(outputs)
    logits = np.empty([num_examples, outputs.shape[1]], np.float32)
    real = rows >= 0
    if np.bincount(rows[real], minlength=num_examples).tolist() != (
      [1] * num_examples
    ):
      raise RuntimeError('an example was not scored exactly once')
    logits[rows[real]] = outputs[real]
    return logits

  def _with_logits(self, batch):
    return batch, self._batch_logits(batch)

  def _batch_logits(self, batch) -> np.ndarray:
    """Computes the logits of a batch's B rows, and of some zeros after them."""
    missing = -batch['input_ids'].shape[0] % self._num_replicas
    outputs = self._logits(
      {x: tf.pad(batch[x], [[0, missing], [0, 0]]) for x in _INPUTS}
    )
    return np.concatenate(
      [x.numpy() for x in self._strategy.experimental_local_results(outputs)]
    )


def decide(task: Task, logits: np.ndarray) -> np.ndarray:
  """Returns what is predicted: label ids [N], or the numbers, float32 [N]."""
  return logits[:, 0] if task.is_regression else np.argmax(logits, axis=-1)


def score(
  task: Task, examples: Sequence[Example], logits: np.ndarray
) -> dict[str, float]:
  """Computes a task's scores on labelled examples.

  Args:
    task: the task.
    examples: N, with labels.
    logits: float32 [N, C].

  Returns:
    `eval_<metric>` for each of the task's metrics, `eval_loss` (mean
    cross-entropy in nats, or mean squared error) and `loss`, the same.
  """
  labels = np.array([task.encode_label(e.label) for e in examples])
  predictions = decide(task, logits)
  if task.is_regression:
    loss = float(np.mean((predictions - labels) ** 2, dtype=np.float64))
  else:
    log_probabilities = tf.nn.log_softmax(logits.astype(np.float64)).numpy()
    loss = float(-log_probabilities[np.arange(len(labels)), labels].mean())
  scores = compute_scores(task.metrics, labels, predictions)
  return {
    **{f'eval_{name}': value for name, value in scores.items()},
    'eval_loss': loss,
    'loss': loss,
  }


def agreement(
  task: Task, teacher_logits: np.ndarray, logits: np.ndarray
) -> dict[str, float]:
  """Measures how well a student imitates its teacher.

  Args:
    task: says whether numbers are predicted.
    teacher_logits: float32 [N, C].
    logits: float32 [N, C], the student's.

  Returns:
    `eval_teacher_agreement`, the share of examples of which both predict the
    same class, and `eval_teacher_kl`, the mean of KL(teacher || student) in
    nats; for numbers `eval_teacher_mse`, their mean squared difference.
  """
  teacher_logits = teacher_logits.astype(np.float64)
  logits = logits.astype(np.float64)
  if task.is_regression:
    return {'eval_teacher_mse': float(np.mean((teacher_logits - logits) ** 2))}
  same = teacher_logits.argmax(axis=-1) == logits.argmax(axis=-1)
  teacher = tf.nn.log_softmax(teacher_logits).numpy()
  student = tf.nn.log_softmax(logits).numpy()
  divergences = np.sum(np.exp(teacher) * (teacher - student), axis=-1)
  return {
    'eval_teacher_agreement': float(same.mean()),
    'eval_teacher_kl': float(divergences.mean()),
  }


def chance_score(task: Task, examples: Sequence[Example]) -> float:
  """Returns the best main score of any constant prediction on the examples."""
  labels = np.array([task.encode_label(e.label) for e in examples])
  constants = range(task.num_outputs)
  name = task.metrics[0]
  return max(
    compute_scores([name], labels, np.full_like(labels, c))[name]
    for c in constants
  )
