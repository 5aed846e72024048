"""int8 weights for an ONNX export, kept only if the model stays as good.

onnx/model_quantized.onnx   beside onnx/model.onnx
"""

import os
from typing import Any

from serving.exports import checking, exporting, onnx_format, reference
from serving.exports.parts import Parts
from serving.exports.texts import DevSet
from system import files, temporary_files
from system.errors import UserError
from training import scoring

MODEL = 'onnx/model_quantized.onnx'
SCRIPT = 'quantize_int8.py'


def add(
  target: str,
  parts: Parts,
  dev: DevSet,
  max_metric_loss: float,
  python: str,
) -> dict[str, Any]:
  """Adds an int8 model to a finished export, and its scores to export.json.

  Args:
    target: the folder of the export.
    parts: the exported model, with a head for a task.
    dev: the run's dev set.
    max_metric_loss: how much lower the task's main metric on dev may be.
    python: the interpreter that quantizes and runs the model.

  Returns:
    What export.json then has under 'int8'.

  Raises:
    UserError: the metric is lower than that; it is shown before and after. The
      float32 export stays as it is.
  """
  source = os.path.join(target, onnx_format.MODEL)
  path = os.path.join(target, MODEL)
  temporary = temporary_files.name_for(path)
  try:
    checking.run_script(python, SCRIPT, source, temporary)
    report = _measure(target, os.path.basename(temporary), parts, dev, python)
    _check(report, max_metric_loss)
    files.rename(temporary, path)
  except BaseException:
    if files.exists(temporary):
      files.remove(temporary)
    raise
  _record(target, report)
  return report


def _measure(
  target: str, name: str, parts: Parts, dev: DevSet, python: str
) -> dict[str, Any]:
  """Scores our own model, and an int8 model of the folder `onnx`, on dev."""
  ours = reference.compute(parts, dev.texts)
  outputs, answer = checking.answers(
    onnx_format.FORMAT, target, parts, ours, python, f'onnx/{name}'
  )
  metric = dev.task.metrics[0]
  before, after = (
    scoring.score(dev.task, dev.examples, logits)[f'eval_{metric}']
    for logits in (ours.outputs['logits'], outputs['logits'])
  )
  labels = None
  if ours.labels is not None:
    chosen = outputs['logits'].argmax(axis=1)
    agreed = chosen == ours.outputs['logits'].argmax(axis=1)
    labels = float(agreed.mean())
  return {
    'metric': metric,
    'before': before,
    'after': after,
    'num_texts': len(dev.examples),
    'equal_labels': labels,
    'largest_difference': checking.largest_difference(ours.outputs, outputs),
    'versions': answer['versions'],
  }


def _check(report: dict[str, Any], max_metric_loss: float) -> None:
  loss = report['before'] - report['after']
  # NaN fails, too.
  if not loss <= max_metric_loss:
    raise UserError(
      f'the int8 model has {report["metric"]} {report["after"]:.4f} on dev, '
      f'the float32 model {report["before"]:.4f}: it loses {loss:.4f}, more '
      f'than `max_metric_loss`={max_metric_loss:g}. It is removed; the float32 '
      'export stays.'
    )


def _record(target: str, report: dict[str, Any]) -> None:
  path = os.path.join(target, exporting.REPORT)
  values = files.read_json(path)
  sizes = exporting.sizes(target)
  sizes.pop(exporting.REPORT, None)
  files.write_json(path, {**values, 'int8': report, 'files': sizes})


def lines_of(report: dict[str, Any], target: str) -> list[str]:
  """Returns what to print of a report."""
  path = os.path.join(target, MODEL)
  lines = [
    f'{path}: {files.size(path) / 1e6:.1f} MB',
    f'  {report["metric"]} on dev: {report["after"]:.4f} (float32 '
    f'{report["before"]:.4f})',
  ]
  if report['equal_labels'] is not None:
    lines.append(f'  equal labels: {report["equal_labels"]:.2%}')
  return lines
