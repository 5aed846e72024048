"""What the tools that import a model write beside its weights.

Tested by `tests/tools/import_hugging_face_test.py`.
"""

import os

from modeling.checkpoints import recorded_casing
from system import files


def describe(
  output_dir: str, labels: tuple[str, ...], casing: tuple[str, bool] | None
) -> None:
  """Writes the labels and the casing; removes those of an earlier import."""
  from data.tasks import label_order

  for name in (label_order.FILE, recorded_casing.FILE):
    if files.exists(path := os.path.join(output_dir, name)):
      files.remove(path)
  label_order.write(output_dir, labels)
  if casing:
    recorded_casing.write(output_dir, casing[1])
