r"""Exports a trained model to other ecosystems, and checks each export.

  python -m tools.export_model --model_dir=student --output_dir=exported \
    --format=hugging_face,onnx
  python -m tools.export_model --model_dir=student --output_dir=exported \
    --format=onnx,litert --quantize=dynamic,static

Each format is a folder of OUTPUT_DIR. It is written under a temporary name and
loaded again in a fresh process, with only the packages of its ecosystem. Then
its outputs, labels and token ids are compared with those of the run, and
export.json in the folder records how they differ. An export that differs too
much is removed; the other formats are still written, and the exit status is 1.

  hugging_face   for transformers: model.safetensors, config.json, tokenizer
  onnx           for ONNX Runtime and transformers.js: onnx/model.onnx and the
                 same configuration and tokenizer
  litert         for LiteRT (TensorFlow Lite): model.tflite for one text, padded
                 to the maximum length; labels, vocabulary, texts with their ids
  saved_model    for TensorFlow Serving: text in, labels out; the tokenizer is
                 in the graph
  tf_models      for tf-models-official: a TensorFlow 2 checkpoint, params.yaml
  tf_hub         for tensorflow_hub: an encoder and its preprocessing model

--quantize adds smaller variants to the formats that have them. Each is measured
on the run's dev set, and removed if the task's metric falls too much:

  float16   float16 weights (litert)
  dynamic   int8 weights; activations are rounded while the model runs (onnx,
            litert)
  static    int8 weights and activations, the latter by their range on texts:
            --calibration_file, else the dump that the run was distilled on,
            else the dev set (onnx, litert)
"""

import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from absl import flags, logging

from cli import flag_group, script
from serving.exports import formats, heads
from system import files
from system.errors import UserError

if TYPE_CHECKING:
  from serving.exports.dev_set import DevSet
  from serving.exports.parts import Parts
  from serving.exports.quantization import Quantizer

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines this script's flags."""
  flags.DEFINE_string(
    'model_dir',
    None,
    "The folder of the model: a run's --output_dir, its best/, or a copy.",
  )
  flags.DEFINE_string(
    'output_dir',
    None,
    'The folder to write to; each format gets its own folder in it.',
  )
  flags.DEFINE_list(
    'format', ['hugging_face'], f'What to write: {", ".join(formats.NAMES)}.'
  )
  flags.DEFINE_enum(
    'head',
    heads.AUTO,
    (heads.AUTO, *heads.KINDS),
    'The head to export: that of a task, those of pre-training, or none, which '
    'gives an encoder. auto takes the first of these that the model has.',
  )
  flags.DEFINE_string(
    'text_file',
    None,
    'The texts to compare on, one per line; a pair as two, separated by a tab. '
    "By default up to 2,000 texts of the run's dev set, or built-in texts if "
    'it is not available.',
  )
  flags.DEFINE_string(
    'data_dir',
    None,
    "The folder of the run's task, for its dev set, if it has moved, or if the "
    'model has no run.json, as after an import.',
  )
  flags.DEFINE_float(
    'min_equal_ids',
    0.98,
    'An export is removed if a smaller share of the texts has equal token ids.',
    lower_bound=0.0,
    upper_bound=1.0,
  )
  flags.DEFINE_string(
    'checker_python',
    None,
    'The Python interpreter that loads the exports again, from an environment '
    'with the packages of their ecosystems; by default this one.',
  )
  flags.DEFINE_list(
    'quantize',
    [],
    'With --format=onnx or litert: smaller variants to add, one or more of '
    f"{', '.join(formats.VARIANTS)}; each is measured on the run's dev set. "
    'float16 is for litert only.',
  )
  flags.DEFINE_string(
    'calibration_file',
    None,
    'With --quantize=static: the texts that decide the ranges of activations, '
    'as in --text_file. By default those of the logits dump that the run was '
    'distilled on, or its dev set if the dump is not available.',
  )
  flags.DEFINE_float(
    'max_metric_loss',
    0.01,
    "With --quantize: how much lower a variant's main metric on dev may be; "
    'otherwise it is removed.',
    lower_bound=0.0,
  )
  flags.DEFINE_bool('overwrite', False, 'Whether to replace earlier exports.')


def main(_: list[str]) -> None:
  """Exports the formats one after the other."""
  logging.set_verbosity(logging.WARNING)
  flag_group.require('model_dir', 'output_dir', 'format')
  if unknown := [name for name in FLAGS.format if name not in formats.NAMES]:
    raise UserError(
      f'--format={",".join(unknown)} is unknown, expected one or more of '
      f'{", ".join(formats.NAMES)}'
    )
  _check_quantize()
  _check_model()
  from serving.exports import (
    comparison_texts,
    exporting,
    parts,
    reference,
  )

  limits = exporting.Limits(
    FLAGS.min_equal_ids, FLAGS.checker_python or sys.executable
  )
  names = list(dict.fromkeys(FLAGS.format))
  exporting.check_request(names, FLAGS.output_dir, FLAGS.overwrite, limits)
  for name in names:
    formats.check_quantizer(name, FLAGS.quantize, limits.checker_python)
  model = parts.read(FLAGS.model_dir, FLAGS.head)
  for name in names:
    exporting.check_model(formats.get(name), model)
  dev = _dev_set(model)
  source, chosen = comparison_texts.choose(model, FLAGS.text_file, dev)
  ours = reference.compute(model, chosen)
  quantizer = _quantizer(model, dev, limits.checker_python)

  def write(name: str) -> None:
    report = exporting.export(
      formats.get(name), model, FLAGS.output_dir, ours, source, limits
    )
    target = os.path.join(FLAGS.output_dir, name)
    script.show(exporting.lines_of(report, target), flushes=True)
    if quantizer:
      for lines in quantizer.add(formats.get(name), target):
        script.show(lines, flushes=True)

  jobs = [functools.partial(write, name) for name in names]
  do_all([*jobs, quantizer.raise_refusals] if quantizer else jobs)


def do_all(jobs: Iterable[Callable[[], None]]) -> None:
  """Calls functions; one that raises a `UserError` does not stop the others.

  Raises:
    UserError: with the messages of all that failed, one a line.
  """
  messages = []
  for job in jobs:
    try:
      job()
    except UserError as error:
      messages.append(str(error))
  if messages:
    raise UserError('\n'.join(messages))


def _check_quantize() -> None:
  if FLAGS.calibration_file and 'static' not in FLAGS.quantize:
    raise UserError(
      '--calibration_file cannot take effect without --quantize=static'
    )
  if FLAGS.calibration_file:
    files.require_file(FLAGS.calibration_file, '--calibration_file')
  if not FLAGS.quantize:
    if FLAGS['max_metric_loss'].present:
      raise UserError('--max_metric_loss cannot take effect without --quantize')
    if FLAGS.data_dir and FLAGS.text_file:
      raise UserError(
        '--data_dir cannot take effect with --text_file, unless --quantize '
        'measures on the dev set'
      )
    return
  if unknown := sorted(set(FLAGS.quantize) - set(formats.VARIANTS)):
    raise UserError(
      f'--quantize={",".join(unknown)} is unknown, expected one or more of '
      f'{", ".join(formats.VARIANTS)}'
    )
  for variant in FLAGS.quantize:
    having = formats.VARIANTS[variant]
    if not set(having) & set(FLAGS.format):
      raise UserError(
        f'--quantize={variant} cannot take effect without --format='
        f'{" or ".join(having)}'
      )


def _dev_set(model: 'Parts') -> 'DevSet | None':
  """Returns the run's dev set; None if it is unavailable or not needed."""
  from serving.exports import dev_set

  if not FLAGS.quantize:
    if FLAGS.text_file:
      return None
    return dev_set.read_if_available(model, FLAGS.data_dir)
  if model.head != heads.TASK:
    raise UserError(
      f'--quantize needs a head for a task, whose metric it measures: this '
      f'model has head {model.head}'
    )
  try:
    return dev_set.read(model, FLAGS.data_dir)
  except UserError as error:
    raise UserError(
      "--quantize measures on the run's dev set, which is not available: "
      f'{error}'
    ) from error


def _quantizer(
  model: 'Parts', dev: 'DevSet | None', python: str
) -> 'Quantizer | None':
  """Returns what adds the variants; None without --quantize."""
  from serving.exports import quantization

  if not FLAGS.quantize:
    return None
  return quantization.Quantizer(
    model,
    dev,
    FLAGS.quantize,
    FLAGS.max_metric_loss,
    FLAGS.calibration_file,
    python,
  )


def _check_model() -> None:
  """Raises a `UserError` if the folder holds no model, without TensorFlow."""
  from modeling.checkpoints.location import locate

  locate(FLAGS.model_dir)


if __name__ == '__main__':
  define_flags()
  script.run(main)
