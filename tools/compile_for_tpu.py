"""Compiles a StableHLO program for a TPU that is not there.

  python tools/compile_for_tpu.py TOPOLOGY [PROGRAM]

It prints one line of JSON: of the topology alone `num_devices`, `device_kind`
and `hbm_bytes`, which a program can have of each device's memory; of a program,
compiled for as many replicas as there are devices, its cost, or `too_large`
with the compiler's words. What is missing here is told as `missing`, other
errors as `error`.

`tools.tpu_compiler` runs this in a process of its own, whose interpreter has
jax and libtpu, and need not have anything of this project.
"""

import json
import os
import re
import sys
import time

# There is no TPU, so libtpu must not look for one, nor for its neighbours.
_ENVIRONMENT = {
  'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
  'JAX_PLATFORMS': 'cpu',
  'TPU_ACCELERATOR_TYPE': 'v5litepod-4',
  'TPU_SKIP_MDS_QUERY': '1',
  'TPU_WORKER_HOSTNAMES': 'localhost',
}
_TOO_LARGE = 'RESOURCE_EXHAUSTED'
_AVAILABLE = re.compile(r'exceeds available HBM \(([\d.]+)([MG])\)')
_UNITS = {'M': 1 << 20, 'G': 1 << 30}


def describe(topology) -> dict[str, object]:
  """Returns what the devices are, and how much memory a program can have.

  The compiler tells that when it refuses a program of 8 TiB.
  """
  import jax

  device = topology.devices[0]
  sharding = jax.sharding.SingleDeviceSharding(device)
  vector = jax.ShapeDtypeStruct([1 << 40], 'float32', sharding=sharding)
  try:
    jax.jit(lambda x: x + 1).lower(vector).compile()
    message = ''
  except jax.errors.JaxRuntimeError as error:
    message = str(error)
  if not (found := _AVAILABLE.search(message)):
    raise RuntimeError(f'this compiler does not tell its memory: {message}')
  return {
    'num_devices': len(topology.devices),
    'device_kind': device.device_kind,
    'hbm_bytes': int(float(found[1]) * _UNITS[found[2]]),
  }


def compile_program(topology, program: bytes) -> dict[str, object]:
  """Compiles a program for all devices; returns what it takes of each."""
  import jax
  import numpy as np
  from jax.interpreters.mlir import make_ir_context
  from jaxlib import xla_client
  from jaxlib.mlir import ir

  devices = topology.devices
  options = xla_client.CompileOptions()
  options.num_replicas = len(devices)
  options.num_partitions = 1
  options.device_assignment = xla_client.DeviceAssignment.create(
    np.array([[device.id] for device in devices], np.int32)
  )
  with make_ir_context():
    module = ir.Module.parse(program)
    _repair(module)
    started = time.perf_counter()
    try:
      compiled = devices[0].client.compile(
        module, xla_client.DeviceList(tuple(devices)), options
      )
    except jax.errors.JaxRuntimeError as error:
      if _TOO_LARGE in str(error):
        return {'too_large': str(error)}
      raise
    seconds = time.perf_counter() - started
  memory = compiled.get_compiled_memory_stats()
  return {
    'compile_seconds': seconds,
    'flops': int(compiled.cost_analysis()['flops']),
    'argument_bytes': memory.argument_size_in_bytes,
    'output_bytes': memory.output_size_in_bytes,
    'aliased_bytes': memory.alias_size_in_bytes,
    'temporary_bytes': memory.temp_size_in_bytes,
    'code_bytes': memory.generated_code_size_in_bytes,
  }


def _repair(module) -> None:
  """Turns what TensorFlow exports into what jax's compiler reads."""
  from jaxlib.mlir import ir

  for op in list(_operations(module.operation)):
    if op.name == 'mhlo.copy':
      op.results[0].replace_all_uses_with(op.operands[0])
      op.erase()
  attributes = module.operation.attributes
  results = {}  # argument → the result that takes its memory
  if 'mhlo.input_output_alias' in attributes:
    results = dict(_aliases(attributes['mhlo.input_output_alias']))
  main = next(
    op
    for op in module.body
    if op.operation.name == 'func.func' and op.name.value == 'main'
  )
  integer = ir.IntegerType.get_signless(32)
  main.attributes['arg_attrs'] = ir.ArrayAttr.get(
    [
      ir.DictAttr.get(
        {'tf.aliasing_output': ir.IntegerAttr.get(integer, results[number])}
        if number in results
        else {}
      )
      for number in range(len(main.type.inputs))
    ]
  )
  for name in list(attributes):
    if name.startswith('mhlo.'):
      del attributes[name]


def _operations(op):
  for region in op.regions:
    for block in region:
      for inner in block:
        yield inner.operation
        yield from _operations(inner.operation)


def _aliases(attribute):
  """Yields (argument, result) of each pair that shares its memory."""
  from jaxlib.mlir import ir

  for entry in map(ir.DictAttr, ir.ArrayAttr(attribute)):
    alias = ir.DictAttr(entry['alias'])
    argument = ir.IntegerAttr(alias['parameter_number']).value
    yield argument, ir.DenseI64ArrayAttr(entry['output_index'])[0]


def main(arguments: list[str]) -> dict[str, object]:
  """Returns what is to be printed."""
  os.environ.update(_ENVIRONMENT)
  try:
    import libtpu  # noqa: F401
    from jax.experimental import topologies
  except ImportError as error:
    return {'missing': error.name}
  try:
    topology = topologies.get_topology_desc(arguments[0], 'tpu')
    if len(arguments) == 1:
      return describe(topology)
    with open(arguments[1], 'rb') as file:
      return compile_program(topology, file.read())
  except Exception as error:  # The caller's process tells the user.
    return {'error': f'{type(error).__name__}: {error}'}


if __name__ == '__main__':
  print(json.dumps(main(sys.argv[1:])), flush=True)
