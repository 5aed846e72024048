"""Compiles a StableHLO program for TPUs on a machine without a TPU.

  python tools/tpu/compile_for_tpu.py v5e:2x4 program.mlir

For `tools.tpu.tpu_compiler`, which runs this script in a separate process. Its
interpreter needs jax and libtpu but no package of this project.

The script prints a JSON object on one line. Without a program, the object has
`num_devices`, `device_kind` and `hbm_bytes`, the memory of each device that is
available to a program. With a program, which is compiled for one replica per
device, the object has the fields of `tools.tpu.tpu_compiler.Cost`, or
`too_large` with the compiler's message. `missing` names a package that is not
installed; `error` is any other error.

Tested by `tests/tools/tpu_preflight_test.py`.
"""

import argparse
import json
import os
import re
import time

# Keep libtpu from looking for TPUs and other hosts.
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
  """Returns the devices' kind, number and available memory.

  The available memory is taken from the compiler's error message for a program
  that needs 8 TiB.
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
    raise RuntimeError(f'the compiler does not report its memory: {message}')
  return {
    'num_devices': len(topology.devices),
    'device_kind': device.device_kind,
    'hbm_bytes': int(float(found[1]) * _UNITS[found[2]]),
  }


def compile_program(topology, program: bytes) -> dict[str, object]:
  """Compiles a program for all devices; returns its cost on each."""
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
  """Converts TensorFlow's export to the dialect that jax's compiler reads."""
  from jaxlib.mlir import ir

  for op in list(_operations(module.operation)):
    if op.name == 'mhlo.copy':
      op.results[0].replace_all_uses_with(op.operands[0])
      op.erase()
  attributes = module.operation.attributes
  results = {}  # argument → the result that reuses its memory
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
  """Yields all operations inside an operation."""
  for region in op.regions:
    for block in region:
      for inner in block:
        yield inner.operation
        yield from _operations(inner.operation)


def _aliases(attribute):
  """Yields (argument, result) for each pair that shares memory."""
  from jaxlib.mlir import ir

  for entry in map(ir.DictAttr, ir.ArrayAttr(attribute)):
    alias = ir.DictAttr(entry['alias'])
    argument = ir.IntegerAttr(alias['parameter_number']).value
    yield argument, ir.DenseI64ArrayAttr(entry['output_index'])[0]


def main() -> dict[str, object]:
  """Returns the JSON object to print."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('topology', help='for example v5e:2x4')
  parser.add_argument('program', nargs='?', help='file of serialized StableHLO')
  arguments = parser.parse_args()
  os.environ.update(_ENVIRONMENT)
  try:
    import libtpu  # noqa: F401
    from jax.experimental import topologies
  except ImportError as error:
    return {'missing': error.name}
  try:
    topology = topologies.get_topology_desc(arguments.topology, 'tpu')
    if arguments.program is None:
      return describe(topology)
    with open(arguments.program, 'rb') as file:
      return compile_program(topology, file.read())
  except Exception as error:  # The calling process raises it as a `UserError`.
    return {'error': f'{type(error).__name__}: {error}'}


if __name__ == '__main__':
  print(json.dumps(main()), flush=True)
