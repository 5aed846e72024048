"""One training step: gradients on every replica, one reduction, one update."""

import time
from collections.abc import Callable, Mapping, Sequence

import orbit
import tensorflow as tf
from absl import logging
from tensorflow.python.framework import config as tf_config

from devices import workers
from devices.strategies import STATIC_SHAPES
from modeling.dropout import DropoutKey
from system import xla
from system.progress import announced
from training.compile_ahead import StepCompiler
from training.optimization import AdamW
from training.step_statistics import StepStatistics

# (batch, dropout key) → the losses of these rows, already divided by the
# denominators of the global batch; 'loss' is minimised.
LossFunction = Callable[
  [Mapping[str, tf.Tensor], DropoutKey], dict[str, tf.Tensor]
]

# The result of `Trainer.replica_step` that counts requests to end the loop.
_REQUESTS = 'requests'


class StopRequest:
  """Whether this process was asked to stop: a bool in host memory.

  It is not a `tf.Variable`: that would belong to the strategy, have a copy on
  each device, and be settable in the strategy's scope only. Any thread can set
  this one while the main thread runs the training loop, and reading it waits
  for no device.
  """

  def __init__(self):
    """Starts with no request."""
    with tf.init_scope(), tf.device('CPU:0'):
      self._handle = tf.raw_ops.VarHandleOp(
        dtype=tf.bool, shape=[], shared_name='well_read_bert_stop_request'
      )
    self._assign(False)

  def set(self) -> None:
    """Asks to stop."""
    self._assign(True)

  def read(self) -> tf.Tensor:
    """Returns the bool scalar at the time when the op runs."""
    value = tf.raw_ops.ReadVariableOp(resource=self._handle, dtype=tf.bool)
    return tf.ensure_shape(value, [])

  def _assign(self, value: bool) -> None:
    tf.raw_ops.AssignVariableOp(resource=self._handle, value=value)


def _now() -> tf.Tensor:
  """Returns the seconds since 1970 when the op runs, a float64 scalar.

  TensorFlow's own clock raises an error where ops must be deterministic.
  """
  if not tf_config.is_op_determinism_enabled():
    return tf.timestamp()
  return tf.ensure_shape(tf.numpy_function(time.time, [], tf.float64), [])


class Trainer(orbit.StandardTrainer):
  """Runs training steps on the devices of the current strategy.

  Set `train_dataset` before the first call of `train`: a distributed dataset
  with elements as `training_input.training_batches` makes them.

  Attributes:
    optimizer: updates the weights and counts the steps.
    statistics: sums of the steps' losses and measures.
    stop_request: once set, the loop ends after its next step, on all workers.
    was_stopped: whether the last loop ended by request; the same on all
      workers.
    max_seconds: a loop that has lasted longer ends after its next step, on all
      workers, as soon as one worker's has.
  """

  def __init__(
    self,
    variables: Sequence[tf.Variable],
    optimizer: AdamW,
    loss_function: LossFunction,
    dropout: DropoutKey,
    num_micro_batches: int = 1,
    statistics: StepStatistics | None = None,
  ):
    """Makes a trainer.

    Args:
      variables: the trained variables, in the optimizer's order.
      optimizer: made from the same variables.
      loss_function: see `LossFunction`.
      dropout: the run's key; each batch replaces its `first_example`.
      num_micro_batches: the number of parts into which a replica cuts its
        rows; it computes the gradients of one part after another.
      statistics: adds up the steps' results.
    """
    super().__init__(train_dataset=None)
    self.optimizer = optimizer
    self.statistics = statistics or StepStatistics()
    self.stop_request = StopRequest()
    self.was_stopped = False
    self.max_seconds = float('inf')
    self._variables = list(variables)
    self._loss_function = loss_function
    self._dropout = dropout
    self._num_micro_batches = num_micro_batches
    # The replicas' reduction is between two programs. Without a strategy
    # nothing is reduced, and the whole step is one program.
    self._compute = xla.compiled(self._compute_gradients)
    self._apply = xla.compiled(self._apply_gradients)
    self._step = self.replica_step
    if not tf.distribute.has_strategy():
      self._step = xla.compiled(self.replica_step)

  def compiler(
    self, make_dataset: Callable[[], tf.data.Dataset]
  ) -> StepCompiler | None:
    """Returns what compiles the step ahead; None where that is impossible.

    It needs XLA, and no strategy: the reductions of several threads would wait
    for each other.

    Args:
      make_dataset: returns a dataset with elements as in `train_dataset`.
    """
    if not xla.compiles_each_shape():
      return None
    if tf.distribute.has_strategy():
      logging.info('The first step of each batch length waits for compiling.')
      return None
    return StepCompiler(self._step, make_dataset().element_spec)

  def create_train_loop_fn(self) -> Callable[..., None]:
    """Makes the loop: Orbit's, but it can end early."""
    loop = tf.function(self._loop)
    has_run = False

    def run(iterator, num_steps: tf.Tensor) -> None:
      nonlocal has_run
      arguments = iterator, num_steps, tf.constant(self.max_seconds, tf.float64)
      if has_run:
        self.was_stopped = bool(loop(*arguments))
        return
      with announced('Tracing the step'):
        loop.get_concrete_function(*arguments)
      compiling = 'Compiling and running' if xla.is_on() else 'Running'
      with announced(f'{compiling} the first step'):
        self.was_stopped = bool(loop(*arguments))
      has_run = True

    return run

  def _loop(
    self, iterator, num_steps: tf.Tensor, max_seconds: tf.Tensor
  ) -> tf.Tensor:
    # The loop reads the clock itself: no step waits for the host, and the
    # clocks of a TPU's host and of this one may differ.
    deadline = _now() + max_seconds
    is_stopped = is_late = False
    for _ in tf.range(num_steps):
      # Otherwise the names of all ops would begin with 'while/'.
      with tf.name_scope(''):
        is_stopped, is_late = self.train_step(iterator, deadline)
      if is_stopped or is_late:
        break
    return is_stopped

  # Converting the model's code would take longer than tracing it.
  @tf.autograph.experimental.do_not_convert
  def train_step(
    self, iterator, deadline: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Runs one step on every replica.

    Args:
      iterator: of the distributed dataset.
      deadline: float64 scalar, seconds since 1970.

    Returns:
      bool scalars: whether a worker was asked to stop, and whether the deadline
      has passed on one.
    """
    strategy = tf.distribute.get_strategy()
    args = (next(iterator),)
    if workers.count() > 1:
      args += (tf.cast(self._requests(deadline), tf.float32),)
    outputs = strategy.run(self._step, args=args, options=STATIC_SHAPES)
    # The values are aggregated already, so every replica has the same.
    values = {
      name: strategy.experimental_local_results(value)[0]
      for name, value in outputs.items()
    }
    requests = values.pop(_REQUESTS, None)
    if requests is None:
      # The clock is read after the step.
      with tf.control_dependencies(list(values.values())):
        requests = self._requests(deadline)
    else:
      requests = requests > 0.0
    return requests[0], requests[1]

  def _requests(self, deadline: tf.Tensor) -> tf.Tensor:
    """Returns whether this worker is asked to stop, and is late: bool [2]."""
    return tf.stack([self.stop_request.read(), _now() >= deadline])

  def replica_step(
    self,
    batch: Mapping[str, tf.Tensor],
    requests: tf.Tensor | None = None,
  ) -> dict[str, tf.Tensor]:
    """Computes a replica's share of a step, and the sums over all replicas.

    Args:
      batch: as an element of `training_input.training_batches`.
      requests: float32 [2], each 1 or 0: whether this worker was asked to
        stop, and whether the deadline has passed. None if there is one worker
        only.

    Returns:
      float32 scalars, the same on every replica: the losses of the global
      batch, the optimizer's measures; and with several workers `requests` [2],
      how many of their replicas have each request.
    """
    gradients, losses = self._compute(batch)
    summed = dict(losses)
    if requests is not None:
      # A copy, because the reduction needs it on the replica's device.
      summed[_REQUESTS] = tf.identity(requests)
    known = [gradient for gradient in gradients if gradient is not None]
    # One reduction for everything: with a second one in addition to the
    # optimizer's, runs were seen to abort.
    results = tf.distribute.get_replica_context().all_reduce(
      tf.distribute.ReduceOp.SUM, [*known, *summed.values()]
    )
    reduced = iter(results[: len(known)])
    gradients = [None if x is None else next(reduced) for x in gradients]
    summed = dict(zip(summed, results[len(known) :], strict=True))
    losses = {name: summed.pop(name) for name in losses}
    with tf.name_scope('optimizer'):  # For profiles.
      measures = self._apply(gradients, losses)
    return {**losses, **measures, **summed}

  def _compute_gradients(self, batch):
    """Returns the scaled gradients of the replica's rows, and their losses."""
    if self._num_micro_batches == 1:
      return self._gradients(batch)
    return self._accumulated_gradients(batch)

  def _apply_gradients(self, gradients, losses) -> dict[str, tf.Tensor]:
    """Updates the weights and adds the step to the statistics.

    A bad step that may be skipped changes no weight.

    Returns:
      The optimizer's measures; a bad step has the `gradient_norm` NaN.
    """
    measures = self._measures_of_update(gradients, losses)
    self.statistics.add({**losses, **measures}, self.optimizer.step)
    return measures

  def _measures_of_update(self, gradients, losses) -> dict[str, tf.Tensor]:
    if not self.statistics.budget:
      return self.optimizer.apply(gradients)
    are_finite = tf.reduce_all(tf.math.is_finite([*losses.values()]))
    measures = self.optimizer.apply(gradients, are_finite)
    # A scale above 1 may have caused the overflow; the next step's is smaller.
    is_bad = (measures['skipped_steps'] > 0.0) & (measures['loss_scale'] <= 1.0)
    norm = measures['gradient_norm']
    measures['gradient_norm'] = tf.where(is_bad, float('nan'), norm)
    if self.optimizer.loss_scale is self.statistics.unit_scale:
      del measures['loss_scale']
    return measures

  def _gradients(self, batch):
    """Returns the scaled gradients of some rows, dense, and their losses.

    The gradient of a variable that the loss does not depend on is None.
    """
    key = self._dropout._replace(first_example=batch['first_example'])
    # The tape records nothing below the lowest trained variable.
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(self._variables)
      losses = self._loss_function(batch, key)
      minimised = self.optimizer.scale_loss(losses['loss'])
    gradients = tape.gradient(minimised, self._variables)
    return [
      None if x is None else tf.convert_to_tensor(x) for x in gradients
    ], losses

  def _accumulated_gradients(self, batch):
    """As `_gradients`, with the activations of one part in memory at a time.

    Nothing is averaged: the losses are divided by the denominators of the
    global batch, so those of the parts add up to the whole's.
    """
    parts = cut_rows(batch, self._num_micro_batches)
    names: list[str] = []
    is_known: list[bool] = []

    def add_part(index, sums, losses):
      gradients, values = self._gradients(
        {name: value[index] for name, value in parts.items()}
      )
      names[:] = values
      is_known[:] = [x is not None for x in gradients]
      sums = [
        total if x is None else total + x
        for total, x in zip(sums, gradients, strict=True)
      ]
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
      # With more, a part would begin before the last one's memory is free.
      parallel_iterations=1,
    )
    total = tf.reduce_sum(losses.stack(), axis=0)
    values = tf.unstack(total, num=len(names))
    sums = [
      x if known else None for x, known in zip(sums, is_known, strict=True)
    ]
    return sums, dict(zip(names, values, strict=True))


def cut_rows(
  batch: Mapping[str, tf.Tensor], num_parts: int
) -> dict[str, tf.Tensor]:
  """Cuts a replica's rows into equal parts.

  Args:
    batch: as `training_input.training_batches` makes it; B rows.
    num_parts: N, which divides B.

  Returns:
    The fields [N, B/N, ...]. Scalars are repeated N times, except that
    `first_example` grows by B/N from part to part.
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
