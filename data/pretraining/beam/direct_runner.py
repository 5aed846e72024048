"""A variant of Apache Beam's DirectRunner that fails if a worker process dies.

Beam's own runner waits forever for a killed worker. This runner also skips
Beam's search for a downloadable runner, which Beam prefers. The code depends on
the version of Beam in setup.cfg.

Tested by `tests/data/pretraining/beam/processes_test.py`.
"""

import functools
import threading
import time

import grpc
import psutil
from absl import logging
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import (
  beam_fn_api_pb2,
  beam_provision_api_pb2,
)
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
  SubprocessSdkWorkerHandler,
  WorkerHandler,
)
from apache_beam.runners.portability.local_job_service import (
  SubprocessSdkWorker,
)
from apache_beam.runners.portability.portable_runner import JobServiceHandle


def runner(options: PipelineOptions) -> fn_runner.FnApiRunner:
  """Returns the runner; its `run_pipeline` waits for the pipeline's end."""
  all_options = options.get_all_options()
  if not (all_options['default_sdk_harness_log_level'] or _is_verbose()):
    all_options['default_sdk_harness_log_level'] = 'CRITICAL'
  encoded = JobServiceHandle.encode_pipeline_options(all_options)
  info = fn_runner.ExtendedProvisionInfo(
    beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
  )
  return _Runner(provision_info=info)


def _is_verbose() -> bool:
  return logging.level_debug()


class _Runner(fn_runner.FnApiRunner):
  """Raises the error of the worker that died, not the failures that follow."""

  def run_pipeline(self, pipeline, options):
    _deaths.clear()
    hook = threading.excepthook
    threading.excepthook = functools.partial(_ignore_broken_connections, hook)
    try:
      return super().run_pipeline(pipeline, options)
    except Exception as error:
      if _deaths:
        raise RuntimeError(_deaths[0]) from error
      raise
    finally:
      threading.excepthook = hook


def _ignore_broken_connections(
  hook, arguments: threading.ExceptHookArgs
) -> None:
  """Passes a thread's exception to a hook, except a broken connection."""
  if not issubclass(arguments.exc_type, grpc.RpcError):
    hook(arguments)


# The errors of the pipeline's workers that died.
_deaths: list[str] = []


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class _Handler(SubprocessSdkWorkerHandler):
  """Starts a worker process, and notifies Beam if it dies."""

  _is_closing = False

  def start_worker(self) -> None:
    """Starts the process, and a thread that waits for its end."""
    # Workers send their errors to this process, too.
    redirection = b'' if _is_verbose() else b' 2>/dev/null'
    self.worker = SubprocessSdkWorker(
      b'exec ' + self._worker_command_line + redirection,
      self.control_address,
      self.provision_info,
      self.worker_id,
    )
    self.worker_thread = threading.Thread(target=self._run)
    self.worker_thread.start()

  def close(self) -> None:
    """Ends the process."""
    self._is_closing = True
    super().close()

  def _run(self) -> None:
    try:
      self.worker.run()
    except RuntimeError as error:  # It holds the exit status, which is not 0.
      if not self._is_closing:
        _deaths.append(str(error))
      while not self._is_closing:
        self._kill_other_workers()
        for future in [*self.control_conn._futures_by_id.values()]:
          future.set(beam_fn_api_pb2.InstructionResponse(error=str(error)))
        time.sleep(0.1)

  def _kill_other_workers(self) -> None:
    """Kills the other workers of the failed pipeline."""
    for process in psutil.Process().children(recursive=True):
      try:
        control = process.environ().get('CONTROL_API_SERVICE_DESCRIPTOR', '')
        if f'"{self.control_address}"' in control:
          process.kill()
      except psutil.Error:
        continue
