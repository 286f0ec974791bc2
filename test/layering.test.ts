// Who may include or import whom, and whether the tables of contents are complete (see test/support/layers.ts).
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkLib, checkNative, checkTables, importsOf, includesOf, type Sources } from './support/layers.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

function readSources(...folders: string[]): Sources {
  const files = folders.flatMap((folder) =>
    readdirSync(root + folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath.slice(root.length)}/${entry.name}`.replaceAll('\\', '/')),
  );
  return new Map(files.map((file) => [file, readFileSync(root + file, 'utf8')]));
}

const planted = (files: Record<string, string>): Sources => new Map(Object.entries(files));

describe('the sources', () => {
  const sources = readSources('native', 'lib');

  test('are found', () => {
    expect([...sources.keys()]).toEqual(expect.arrayContaining(['native/binding/addon.cc', 'lib/index.ts']));
    expect([...sources.values()].flatMap(includesOf).length).toBeGreaterThan(10);
  });

  test('of native/ include only what they may', () => expect(checkNative(sources)).toEqual([]));
  test('of lib/ import only what they may', () => expect(checkLib(sources)).toEqual([]));
  test('stand in the tables of contents', () => expect(checkTables(sources)).toEqual([]));
});

describe('a planted fault in native/ is found', () => {
  const house = {
    'native/core/op.h': '#include <vector>\n',
    'native/core/cuda/device.cc': '#include <cuda_runtime.h>\n#include "core/op.h"\n',
    'native/core/cuda/launch.cuh': '#include <cuda_runtime.h>\n',
    'native/ops/softmax/softmax.h': '#include "core/op.h"\n',
    'native/ops/softmax/softmax_cpu.cc': '#include "ops/softmax/softmax.h"\n#include "softmax.h"\n',
    'native/ops/softmax/softmax_cuda.cu': '#include <cuda_fp16.h>\n#include "core/cuda/launch.cuh"\n',
    'native/ops/registry.cc': '#include "core/op.h"\n#include "ops/ops.def"\n',
    'native/ops/ops.def': 'OP(softmax)\n',
    'native/binding/addon.cc': '#include <napi.h>\n#include "core/op.h"\n',
  };
  const faultsWith = (files: Record<string, string>) => checkNative(planted({ ...house, ...files }));

  test('but none where there is none', () => expect(faultsWith({})).toEqual([]));

  test.each([
    ['native/core/a.cc', '#include "ops/softmax/softmax.h"', 'core knows only core'],
    ['native/core/a.cc', '#include "../binding/addon.cc"', 'core knows only core'],
    ['native/core/a.cc', '  #  include <napi.h>', 'only native/binding knows Node'],
    ['native/ops/matmul/a.cc', '#include <node_api.h>', 'only native/binding knows Node'],
    ['native/ops/matmul/a.cc', '#include "ops/softmax/softmax.h"', 'ops never include one another'],
    ['native/ops/matmul/a.cc', '#include "../softmax/softmax.h"', 'ops never include one another'],
    ['native/ops/matmul/a.cc', '#include "binding/addon.cc"', 'ops do not know the binding'],
    ['native/ops/matmul/a.cc', '#include <cuda_runtime.h>', 'CUDA headers belong'],
    ['native/ops/matmul/a.cc', '#include "cuda_runtime.h"', 'CUDA headers belong'],
    ['native/ops/matmul/a.cc', '#include "core/cuda/launch.cuh"', 'only CUDA sources include a .cuh'],
    ['native/core/a.h', '#include <cuda_fp16.h>', 'CUDA headers belong'],
    ['native/core/a.cc', '#include "core/absent.h"', 'does not exist'],
    ['native/extra/a.cc', '#include "core/op.h"', 'lies outside'],
  ])('%s: %s', (path, text, fault) => expect(faultsWith({ [path]: text })).toEqual([expect.stringContaining(fault)]));

  test('but not in a comment', () => {
    expect(faultsWith({ 'native/core/a.cc': '// #include <napi.h>\n/*\n#include <napi.h>\n*/\n' })).toEqual([]);
  });
});

describe('a planted fault in lib/ is found', () => {
  const house = {
    'lib/index.ts': "export * from './ops/index.ts';\nexport * as cli from './cli/main.ts';\n",
    'lib/error.ts': '',
    'lib/native.ts': "import { createRequire } from 'node:module';\nconst load = require('node-gyp-build');\n",
    'lib/tensor.ts': "import { native } from './native.ts';\nimport type { Node } from './graph.ts';\n",
    'lib/graph.ts': '',
    'lib/dtype.ts': "import type { Tensor } from './tensor.ts';\n",
    'lib/op.ts': "import { Tensor } from './tensor.ts';\n",
    'lib/ops/index.ts': "export { matmul } from './matmul.ts';\n",
    'lib/ops/matmul.ts': "import { defineOp } from '../op.ts';\n",
    'lib/nn/linear.ts': "import {\n  matmul,\n} from '../ops/index.ts';\n",
    'lib/cli/main.ts': "import { Linear } from '../nn/linear.ts';\n",
  };
  const faultsWith = (files: Record<string, string>) => checkLib(planted({ ...house, ...files }));

  test('but none where there is none', () => expect(faultsWith({})).toEqual([]));

  test.each([
    ['lib/dtype.ts', "import { defineOp } from './op.ts';", 'stands above it'],
    ['lib/tensor.ts', "import { Node } from './graph.ts';", 'stands above it'],
    ['lib/op.ts', "import type { matmul } from './ops/matmul.ts';", 'stands above it'],
    ['lib/op.ts', "export * from './ops/index.ts';", 'stands above it'],
    ['lib/ops/matmul.ts', "import {\n  Linear,\n} from '../nn/linear.ts';", 'stands above it'],
    ['lib/nn/linear.ts', "await import('../cli/main.ts');", 'stands above it'],
    ['lib/cli/main.ts', "import '../index.ts';", 'which nothing in lib/ may import'],
    ['lib/nn/linear.ts', "import * as all from '../../test/all.ts';", 'does not exist'],
    ['lib/nn/linear.ts', "import { z } from 'zod';", 'imports the package zod'],
    ['lib/nn/linear.ts', "process.dlopen(module, 'x');", 'only lib/native.ts may'],
    ['lib/nn/linear.ts', "import { createRequire } from 'node:module';", 'only lib/native.ts may'],
    ['lib/misc.ts', '', 'has no row'],
  ])('%s: %s', (path, text, fault) => expect(faultsWith({ [path]: text })).toEqual([expect.stringContaining(fault)]));

  test('but not in a comment', () => {
    const text = "/**\n * import { z } from 'zod';\n */\n// import { z } from 'zod';\n";
    expect(faultsWith({ 'lib/op.ts': text })).toEqual([]);
    expect(importsOf(text)).toEqual([]);
  });
});

describe('a line that a table of contents misses is found', () => {
  const house = {
    'native/ops/ops.def': '// contents\nOP(softmax)\nOP(relu)\n',
    'native/ops/softmax/softmax.cc': 'const OpDef softmax_op = {\n};\n',
    'native/ops/elementwise/functors.h': 'TG_UNARY(relu, FLOAT, x)\n',
    'lib/ops/index.ts': "export { softmax } from './softmax.ts';\n",
    'lib/ops/softmax.ts': '',
  };
  const faultsWith = (files: Record<string, string>) => checkTables(planted({ ...house, ...files }));

  test('but none where there is none', () => expect(faultsWith({})).toEqual([]));

  test.each([
    ['native/ops/topk/topk.cc', 'const OpDef topk_op = {', 'defines the op topk'],
    ['native/ops/elementwise/functors.h', 'TG_UNARY(relu, FLOAT, x)\nTG_BINARY(pow, FLOAT, x)\n', 'defines the op pow'],
    ['native/ops/topk/topk_cpu.cc', 'void topk_cpu() {}', 'native/ops/topk defines no op'],
    ['native/ops/ops.def', 'OP(softmax)\nOP(relu)\nOP(relu)\n', 'lists relu twice'],
    ['lib/ops/topk.ts', '', 'does not list topk.ts'],
  ])('%s: %s', (path, text, fault) => expect(faultsWith({ [path]: text })).toEqual([expect.stringContaining(fault)]));
});
