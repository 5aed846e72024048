"""Apache Beam's DirectRunner for worker processes that may die.

Beam itself waits forever for one that was killed; here the pipeline fails. And
it never looks for the runner that Beam would download and put in its place.
This is tied to the version of Beam in setup.cfg.
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
  """Returns the runner; it returns when the pipeline is through."""
  all_options = options.get_all_options()
  if not (all_options['default_sdk_harness_log_level'] or _tells_all()):
    all_options['default_sdk_harness_log_level'] = 'CRITICAL'
  encoded = JobServiceHandle.encode_pipeline_options(all_options)
  info = fn_runner.ExtendedProvisionInfo(
    beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
  )
  return _Runner(provision_info=info)


def _tells_all() -> bool:
  return logging.level_debug()


class _Runner(fn_runner.FnApiRunner):
  """Says that a worker died, not what came of it."""

  def run_pipeline(self, pipeline, options):
    _deaths.clear()
    hook = threading.excepthook
    threading.excepthook = functools.partial(_tell_unless_broken, hook)
    try:
      return super().run_pipeline(pipeline, options)
    except Exception as error:
      if _deaths:
        raise RuntimeError(_deaths[0]) from error
      raise
    finally:
      threading.excepthook = hook


def _tell_unless_broken(hook, arguments: threading.ExceptHookArgs) -> None:
  """Tells of a thread's exception, if it is not a connection that broke."""
  if not issubclass(arguments.exc_type, grpc.RpcError):
    hook(arguments)


# How workers of the pipeline ended that should not have.
_deaths: list[str] = []


@WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class _Handler(SubprocessSdkWorkerHandler):
  """Starts a worker process, and tells Beam if it dies."""

  _is_closing = False

  def start_worker(self) -> None:
    """Starts the process, and a thread that waits for its end."""
    # What counts comes to this process, too.
    silence = b'' if _tells_all() else b' 2>/dev/null'
    self.worker = SubprocessSdkWorker(
      b'exec ' + self._worker_command_line + silence,
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
    except RuntimeError as error:  # With its status, which is not 0.
      if not self._is_closing:
        _deaths.append(str(error))
      while not self._is_closing:
        self._end_the_others()
        for future in [*self.control_conn._futures_by_id.values()]:
          future.set(beam_fn_api_pb2.InstructionResponse(error=str(error)))
        time.sleep(0.1)

  def _end_the_others(self) -> None:
    """Kills the other workers, whose results nobody waits for now."""
    for process in psutil.Process().children(recursive=True):
      try:
        control = process.environ().get('CONTROL_API_SERVICE_DESCRIPTOR', '')
        if f'"{self.control_address}"' in control:
          process.kill()
      except psutil.Error:
        continue
