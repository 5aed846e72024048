"""One training step: gradients on every replica, one reduction, one update."""

from collections.abc import Callable, Mapping

import orbit
import tensorflow as tf

from modeling.dropout import DropoutKey
from modeling.optimization import AdamW
from modeling.strategies import STATIC_SHAPES

# (batch, dropout key) → the losses of these rows, already divided by the
# denominators of the global batch; 'loss' is what is minimised.
LossFunction = Callable[
  [Mapping[str, tf.Tensor], DropoutKey], dict[str, tf.Tensor]
]


class Trainer(orbit.StandardTrainer):
  """Runs training steps on the devices of the current strategy."""

  def __init__(
    self,
    variables: list[tf.Variable],
    optimizer: AdamW,
    loss_function: LossFunction,
    dataset: tf.data.Dataset,
    dropout: DropoutKey,
    num_micro_batches: int = 1,
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
    """
    super().__init__(dataset)
    self._variables = variables
    self._optimizer = optimizer
    self._loss_function = loss_function
    self._dropout = dropout
    self._num_micro_batches = num_micro_batches
    self._names: list[str] = []
    self._totals: tf.Variable | None = None

  def train_loop_begin(self) -> None:
    """Starts the interval's sums from zero."""
    if self._totals is not None:
      self._totals.assign(tf.zeros_like(self._totals))

  def train_step(self, iterator) -> None:
    """Runs one step on every replica and adds up its losses."""
    strategy = tf.distribute.get_strategy()
    outputs = strategy.run(
      self.replica_step, args=(next(iterator),), options=STATIC_SHAPES
    )
    # Aggregated already, so the same on every replica.
    values = strategy.experimental_local_results(outputs)[0]
    if self._totals is None:
      with tf.init_scope():
        self._totals = tf.Variable(tf.zeros(values.shape), trainable=False)
    self._totals.assign_add(values)

  def train_loop_end(self) -> dict[str, float]:
    """Returns the interval's sums, by name."""
    return dict(zip(self._names, self._totals.numpy().tolist(), strict=True))

  def replica_step(self, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Computes a replica's share of a step, and the sums over all replicas.

    Args:
      batch: as an element of `input_pipeline.training_batches`.

    Returns:
      float32 [N], the losses and the optimizer's measures of the whole step.
    """
    if self._num_micro_batches == 1:
      gradients, losses = self._gradients(batch)
    else:
      gradients, losses = self._accumulated_gradients(batch)
    # One reduction for all: a second one beside the optimizer's was seen to
    # abort.
    summed = tf.distribute.get_replica_context().all_reduce(
      tf.distribute.ReduceOp.SUM, [*gradients, *losses.values()]
    )
    measures = self._optimizer.apply(summed[: len(gradients)])
    self._names = [*losses, *measures]
    return tf.stack([*summed[len(gradients) :], *measures.values()])

  def _gradients(self, batch):
    """Returns the scaled gradients of some rows, dense, and their losses."""
    key = self._dropout._replace(first_example=batch['first_example'])
    # What lies below the lowest trained variable is not recorded.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(self._variables)
      losses = self._loss_function(batch, key)
      minimised = self._optimizer.scale_loss(losses['loss'])
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
