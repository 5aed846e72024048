"""One training step: gradients on every replica, one reduction, one update."""

from collections.abc import Callable, Mapping

import orbit
import tensorflow as tf

from devices import workers
from devices.strategies import STATIC_SHAPES
from modeling.dropout import DropoutKey
from training.optimization import AdamW
from training.step_statistics import StepStatistics

# (batch, dropout key) → the losses of these rows, already divided by the
# denominators of the global batch; 'loss' is what is minimised.
LossFunction = Callable[
  [Mapping[str, tf.Tensor], DropoutKey], dict[str, tf.Tensor]
]


class StopRequest:
  """Whether this process was asked to stop: a bool on the host.

  No `tf.Variable`, which would belong to the strategy, have copies on the
  devices, and be set in the strategy's scope only. This one is set from any
  thread while the main one is in the loop, and reading it waits for no device.
  """

  def __init__(self):
    """Begins with no."""
    with tf.init_scope(), tf.device('CPU:0'):
      self._handle = tf.raw_ops.VarHandleOp(
        dtype=tf.bool, shape=[], shared_name='well_read_bert_stop_request'
      )
    self._assign(False)

  def set(self) -> None:
    """Asks to stop."""
    self._assign(True)

  def read(self) -> tf.Tensor:
    """Returns the bool scalar, as it is when the op runs."""
    value = tf.raw_ops.ReadVariableOp(resource=self._handle, dtype=tf.bool)
    return tf.ensure_shape(value, [])

  def _assign(self, value: bool) -> None:
    tf.raw_ops.AssignVariableOp(resource=self._handle, value=value)


class Trainer(orbit.StandardTrainer):
  """Runs training steps on the devices of the current strategy.

  Attributes:
    optimizer: counts the steps.
    statistics: what they have come to.
    stop_request: once set, the loop ends after its next step, on all workers.
    was_stopped: whether the last loop ended so; the same on all workers.
  """

  def __init__(
    self,
    variables: list[tf.Variable],
    optimizer: AdamW,
    loss_function: LossFunction,
    dataset: tf.data.Dataset,
    dropout: DropoutKey,
    num_micro_batches: int = 1,
    statistics: StepStatistics | None = None,
  ):
    """Makes a trainer.

    Args:
      variables: what is trained, in the optimizer's order.
      optimizer: made from the same variables.
      loss_function: see `LossFunction`.
      dataset: distributed; its elements as `input_pipeline.training_batches`.
      dropout: the run's; its `first_example` is replaced by each batch's.
      num_micro_batches: into how many parts a replica cuts its rows, to compute
        the gradients of one after another.
      statistics: takes what the steps come to.
    """
    super().__init__(dataset)
    self.stop_request = StopRequest()
    self.was_stopped = False
    self._variables = variables
    self.optimizer = optimizer
    self._loss_function = loss_function
    self._dropout = dropout
    self._num_micro_batches = num_micro_batches
    self.statistics = statistics or StepStatistics()
    self._names: list[str] = []

  def create_train_loop_fn(self) -> Callable[..., None]:
    """Makes the loop, as Orbit's, but that it can be left."""
    loop = tf.function(self._loop)

    def run(iterator, num_steps: tf.Tensor) -> None:
      self.was_stopped = bool(loop(iterator, num_steps))

    return run

  def _loop(self, iterator, num_steps: tf.Tensor) -> tf.Tensor:
    is_last = False
    for _ in tf.range(num_steps):
      # Else the names of all ops would begin with 'while/'.
      with tf.name_scope(''):
        is_last = self.train_step(iterator)
      if is_last:
        break
    return is_last

  def train_step(self, iterator) -> tf.Tensor:
    """Runs one step on every replica and adds up what it comes to.

    Returns:
      Whether it is to be the last one for now, a bool scalar.
    """
    strategy = tf.distribute.get_strategy()
    has_several_workers = workers.count() > 1
    args = (next(iterator),)
    if has_several_workers:
      args += (tf.cast(self.stop_request.read(), tf.float32),)
    outputs = strategy.run(self.replica_step, args=args, options=STATIC_SHAPES)
    # Aggregated already, so the same on every replica.
    values = strategy.experimental_local_results(outputs)[0]
    self.statistics.add(
      self._names, values[: len(self._names)], self.optimizer.step
    )
    return values[-1] > 0.0 if has_several_workers else self.stop_request.read()

  def replica_step(
    self, batch: Mapping[str, tf.Tensor], stop_request: tf.Tensor | None = None
  ) -> tf.Tensor:
    """Computes a replica's share of a step, and the sums over all replicas.

    Args:
      batch: as an element of `input_pipeline.training_batches`.
      stop_request: float32 scalar, 1 if this worker was asked to stop, else 0.

    Returns:
      float32 [K]: the global batch's losses, the optimizer's measures, and the
      sum of the replicas' stop_requests where there are such.
    """
    if self._num_micro_batches == 1:
      gradients, losses = self._gradients(batch)
    else:
      gradients, losses = self._accumulated_gradients(batch)
    # A copy, for what is summed must be on the replica's device.
    stop_requests = [] if stop_request is None else [tf.identity(stop_request)]
    # One reduction for all: a second one beside the optimizer's was seen to
    # abort.
    summed = tf.distribute.get_replica_context().all_reduce(
      tf.distribute.ReduceOp.SUM, [*gradients, *losses.values(), *stop_requests]
    )
    gradients, summed = summed[: len(gradients)], summed[len(gradients) :]
    losses = dict(zip(losses, summed, strict=False))
    with tf.name_scope('optimizer'):  # For profiles.
      measures = self._update(gradients, losses)
    self._names = [*losses, *measures]
    return tf.stack(
      [*losses.values(), *measures.values(), *summed[len(losses) :]]
    )

  def _update(self, gradients, losses) -> dict[str, tf.Tensor]:
    """Updates the weights, but not by a bad step that may be left out."""
    if not self.statistics.budget:
      return self.optimizer.apply(gradients)
    is_finite = tf.reduce_all(tf.math.is_finite([*losses.values()]))
    # One gradient that is not finite has the optimizer leave all out.
    *others, last = gradients
    last = tf.where(is_finite, last, float('nan'))
    measures = self.optimizer.apply([*others, last])
    # Above 1 the scale was too large, and the next step has a smaller one.
    is_bad = (measures['skipped_steps'] > 0.0) & (measures['loss_scale'] <= 1.0)
    norm = measures['gradient_norm']
    measures['gradient_norm'] = tf.where(is_bad, float('nan'), norm)
    if self.optimizer.loss_scale is self.statistics.unit_scale:
      del measures['loss_scale']
    return measures

  def _gradients(self, batch):
    """Returns the scaled gradients of some rows, dense, and their losses."""
    key = self._dropout._replace(first_example=batch['first_example'])
    # What lies below the lowest trained variable is not recorded.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(self._variables)
      losses = self._loss_function(batch, key)
      minimised = self.optimizer.scale_loss(losses['loss'])
    gradients = tape.gradient(
      minimised,
      self._variables,
      unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    return [tf.convert_to_tensor(gradient) for gradient in gradients], losses

  def _accumulated_gradients(self, batch):
    """As `_gradients`; only one part's activations are in memory at a time.

    Nothing is averaged: the losses are divided by the denominators of the
    global batch, so those of the parts add up to the whole's.
    """
    parts = cut_rows(batch, self._num_micro_batches)
    names: list[str] = []

    def add_part(index, sums, losses):
      gradients, values = self._gradients(
        {name: value[index] for name, value in parts.items()}
      )
      names[:] = values
      sums = [total + x for total, x in zip(sums, gradients, strict=True)]
      losses = losses.write(index, tf.stack(list(values.values())))
      return index + 1, sums, losses

    _, sums, losses = tf.while_loop(
      lambda index, *_: index < self._num_micro_batches,
      add_part,
      (
        tf.constant(0),
        [tf.zeros(variable.shape) for variable in self._variables],
        tf.TensorArray(tf.float32, self._num_micro_batches),
      ),
      # More would begin one part before the last one's memory is free.
      parallel_iterations=1,
    )
    total = tf.reduce_sum(losses.stack(), axis=0)
    values = tf.unstack(total, num=len(names))
    return sums, dict(zip(names, values, strict=True))


def cut_rows(
  batch: Mapping[str, tf.Tensor], num_parts: int
) -> dict[str, tf.Tensor]:
  """Cuts a replica's rows into equal parts.

  Args:
    batch: as `input_pipeline.training_batches`; B rows.
    num_parts: N, which divides B.

  Returns:
    The fields [N, B/N, ...]; of what has no rows N copies, but `first_example`
    moves on from part to part.
  """
  rows = batch['input_ids'].shape[0] or tf.shape(batch['input_ids'])[0]
  parts = {}
  for name, value in batch.items():
    if value.shape.rank:
      inner = tf.shape(value)[1:]
      shape = tf.concat([[num_parts, rows // num_parts], inner], axis=0)
      parts[name] = tf.reshape(value, shape)
    else:
      parts[name] = tf.fill([num_parts], value)
  starts = tf.range(num_parts) * (rows // num_parts)
  parts['first_example'] += tf.cast(starts, parts['first_example'].dtype)
  return parts
