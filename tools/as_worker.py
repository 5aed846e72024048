r"""Runs a command as one worker of a job that a scheduler started.

  python -m tools.as_worker python run_pretraining.py --do_train ...

Sets TF_CONFIG for a task of SLURM (started with srun) or a pod of an indexed
Job of Kubernetes, and replaces itself with the command, so that signals and the
exit status are the command's. recipes/schedulers has a batch script and
manifests that use it.
"""

import os
import sys

from cli import script
from devices import schedulers
from system.errors import UserError, reason_of


def run(command: list[str]) -> None:
  """Replaces this process with a command.

  Raises:
    UserError: no scheduler's environment describes a cluster, TF_CONFIG is set
      already, or the command does not start.
  """
  if os.environ.get('TF_CONFIG'):
    raise UserError('TF_CONFIG is set already: the command needs no as_worker')
  cluster = schedulers.from_environment(os.environ)
  os.environ['TF_CONFIG'] = schedulers.tf_config(cluster)
  try:
    os.execvp(command[0], command)
  except OSError as error:
    raise UserError(f'{command[0]}: {reason_of(error)}') from error


def main(arguments: list[str]) -> None:
  """Runs the command that the arguments are; without one, prints the usage."""
  if not arguments or arguments[0] in ('-h', '--help'):
    print(__doc__)
    sys.exit(not arguments)
  try:
    run(arguments)
  except UserError as error:
    script.fail(str(error))


if __name__ == '__main__':
  main(sys.argv[1:])
