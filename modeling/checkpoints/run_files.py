"""The files by which a run's folder is known: run.json and the best checkpoint.

`training.run_folder` writes run.json: the run's flags, versions and data.
"""

import os
from typing import Any

from system import files

RUN_FILE = 'run.json'
# The folder of a run's best checkpoint, inside the run's folder.
BEST = 'best'


def of_checkpoint(folder: str) -> str:
  """Returns the folder of the run whose checkpoints a folder holds.

  A run's best checkpoint is in RUN/best; run.json is in RUN.

  >>> of_checkpoint('runs/sst2/best'), of_checkpoint('runs/sst2')
  ('runs/sst2', 'runs/sst2')
  """
  is_best = os.path.basename(folder) == BEST
  return os.path.dirname(folder) if is_best else folder


def read(folder: str) -> dict[str, Any]:
  """Reads the run.json of a run's folder; {} if there is none.

  Raises:
    UserError: the file is damaged, or no JSON object.
  """
  return files.read_object_if_there(os.path.join(folder, RUN_FILE))
