"""What the tools that import a model write beside its weights.

Tested by `tests/tools/import_hugging_face_test.py`.
"""

import dataclasses
import os

from modeling.checkpoints import model_file, recorded_casing
from system import files


def describe(
  output_dir: str, labels: tuple[str, ...], casing: tuple[str, bool] | None
) -> None:
  """Writes the labels and the casing; removes those of an earlier import."""
  from data.tasks import label_order

  for name in (model_file.FILE, label_order.FILE, recorded_casing.FILE):
    if files.exists(path := os.path.join(output_dir, name)):
      files.remove(path)
  label_order.write(output_dir, labels)
  if casing:
    recorded_casing.write(output_dir, casing[1])


def record(
  input_dir: str, prefix: str, casing: tuple[str, bool] | None
) -> list[str]:
  """Records in model.json what export.json does; nothing if there is none.

  Args:
    input_dir: the folder of the imported model.
    prefix: of the checkpoint that was written.
    casing: the file that records the casing, and do_lower_case; None if
      unknown.

  Returns:
    A line for the report, or nothing.

  Raises:
    UserError: export.json is malformed.
  """
  from serving import export_record

  content = export_record.as_model_file(input_dir)
  if content == model_file.UNKNOWN:
    return []
  if casing:
    content = dataclasses.replace(content, do_lower_case=casing[1])
  folder, name = os.path.split(prefix)
  model_file.write(
    folder,
    content,
    [
      *('bert_config.json', 'vocab.txt', f'{name}.index'),
      f'{name}.data-00000-of-00001',
    ],
  )
  return [f'{export_record.FILE} → {model_file.FILE}']
