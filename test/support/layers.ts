// Who may include or import whom (native/ and lib/), as a check over file texts, so that planted files can be checked too.

/** File texts by path from the root of the repository, with forward slashes. */

export type Sources = ReadonlyMap<string, string>;

/** The rooms of lib/ from the bottom up: a file imports from its own row or from one further up in this list. */
const libRows = [
  ['error', 'version', 'rounding', 'precision', 'addon', 'load_error'],
  ['native'],
  ['dtype', 'device', 'tensor', 'host_data', 'typed_shapes', 'scope', 'random'],
  ['graph'],
  ['op'],
  ['ops'],
  ['pending_gradients', 'autograd', 'compile', 'print'],
  ['nn'],
  ['optim'],
  ['data', 'quantize', 'prune', 'distill', 'onnx', 'io'],
  ['serve', 'distributed', 'cli'],
];

/** Upward imports of types alone, each with its reason. */
const upwardTypes = new Map([
  // A tensor keeps the graph node that made it, which only autograd and compile look into.
  ['lib/tensor.ts', 'lib/graph.ts'],
  // A node names the op that it calls; the op writes the node.
  ['lib/graph.ts', 'lib/op.ts'],
]);

const directoryOf = (path: string) => path.slice(0, Math.max(path.lastIndexOf('/'), 0));

/** Joins and resolves `.` and `..`; a path that leaves the repository keeps its leading `..`. */
function join(...parts: string[]): string {
  const out: string[] = [];
  for (const part of parts.join('/').split('/')) {
    if (part === '..' && out.length > 0 && out.at(-1) !== '..') out.pop();
    else if (part !== '' && part !== '.') out.push(part);
  }
  return out.join('/');
}

const withoutBlockComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '');

export function includesOf(text: string): { name: string; quoted: boolean }[] {
  const found = withoutBlockComments(text).matchAll(/^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]/gm);
  return [...found].map(([, mark, name]) => ({ name: name!, quoted: mark === '"' }));
}

/** The modules that a file imports; `typeOnly` where nothing of the import is left at run time. */
export function importsOf(text: string): { name: string; typeOnly: boolean }[] {
  const code = withoutBlockComments(text).replace(/^\s*\/\/.*$/gm, '');
  const forms = [
    /^\s*(?:import|export)\b(\s+type\b)?[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^\s*import()\s*['"]([^'"]+)['"]/gm,
    /\bimport()\s*\(\s*['"]([^'"]+)['"]/g,
    /\brequire()\s*\(\s*['"]([^'"]+)['"]/g,
  ];
  const found = forms.flatMap((form) => [...code.matchAll(form)]);
  return found.map(([, type, name]) => ({ name: name!, typeOnly: Boolean(type) }));
}

/** `core`, `core/cuda`, `ops/<room>`, `ops` (its tables) or `binding`; undefined outside them. */
function nativeRoom(path: string): string | undefined {
  const [, top, second, ...rest] = path.split('/');
  if (top === 'core') return second === 'cuda' ? 'core/cuda' : 'core';
  if (top === 'ops') return rest.length > 0 ? `ops/${second}` : 'ops';
  return top === 'binding' ? 'binding' : undefined;
}

function nativeArrowFault(path: string, target: string): string | undefined {
  const [from, to] = [nativeRoom(path), nativeRoom(target)];
  if (!from) return `${path} lies outside native/core, native/ops and native/binding`;
  const isCuda = from === 'core/cuda' || path.endsWith('.cu') || path.endsWith('.cuh');
  if (target.endsWith('.cuh') && !isCuda) return `${path} includes ${target}: only CUDA sources include a .cuh`;
  if (from.startsWith('core') && !to?.startsWith('core')) return `${path} includes ${target}: core knows only core`;
  if (from.startsWith('ops') && to === 'binding') return `${path} includes ${target}: ops do not know the binding`;
  if (from.startsWith('ops/') && to?.startsWith('ops') && from !== to) {
    return `${path} includes ${target}: ops never include one another; what two share moves to core`;
  }
  return undefined;
}

const nodeHeader = /^(napi\w*|node_api\w*|js_native_api\w*|node\w*|uv|v8\w*)\.h$/;
const cudaHeader = /^(cuda|cublas|cudnn|cub\/|cooperative_groups|mma\.h|nv[a-z]+\.h|vector_types\.h|driver_types\.h)/;

function systemHeaderFault(path: string, name: string): string | undefined {
  const room = nativeRoom(path);
  if (nodeHeader.test(name) && room !== 'binding') return `${path} includes <${name}>: only native/binding knows Node`;
  if (cudaHeader.test(name) && room !== 'core/cuda' && !path.endsWith('.cu')) {
    return `${path} includes <${name}>: CUDA headers belong in *.cu and native/core/cuda`;
  }
  return undefined;
}

/** The wrong includes of native/, one sentence each. */
export function checkNative(sources: Sources): string[] {
  const faults: (string | undefined)[] = [];
  for (const [path, text] of sources) {
    if (!/^native\/.*\.(cc|h|cu|cuh|def|inc)$/.test(path)) continue;
    for (const { name, quoted } of includesOf(text)) {
      const target = [join(directoryOf(path), name), join('native', name)].find((file) => sources.has(file));
      if (quoted && !target && !nodeHeader.test(name) && !cudaHeader.test(name)) {
        faults.push(`${path} includes "${name}", which does not exist`);
      }
      faults.push(quoted && target ? nativeArrowFault(path, target) : systemHeaderFault(path, name));
    }
  }
  return faults.filter((fault) => fault !== undefined);
}

/** The row of a file of lib/ in `libRows`; -1 when it has none. */
function libRow(path: string): number {
  const room = path.split('/')[1]!.replace(/\.ts$/, '');
  return libRows.findIndex((row) => row.includes(room));
}

function libArrowFault(path: string, target: string, typeOnly: boolean): string | undefined {
  if (target === 'lib/index.ts') return `${path} imports lib/index.ts, which nothing in lib/ may import`;
  if (!target.startsWith('lib/')) return `${path} imports ${target}, which lies outside lib/`;
  if (typeOnly && upwardTypes.get(path) === target) return undefined;
  if (libRow(target) > libRow(path)) return `${path} imports ${target}, which stands above it`;
  return undefined;
}

const loadsAddon = /node-gyp-build|process\.dlopen|\bcreateRequire\b|\.node['"`]/;

/** The wrong imports of lib/, one sentence each. */
export function checkLib(sources: Sources): string[] {
  const faults: (string | undefined)[] = [];
  for (const [path, text] of sources) {
    if (!/^lib\/.*\.ts$/.test(path)) continue;
    if (path !== 'lib/native.ts' && loadsAddon.test(text)) {
      faults.push(`${path} loads native code; only lib/native.ts may`);
    }
    if (path === 'lib/index.ts') continue;
    if (libRow(path) < 0) {
      faults.push(`${path} has no row in test/support/layers.ts`);
      continue;
    }
    for (const { name, typeOnly } of importsOf(text)) {
      if (name.startsWith('.')) {
        const target = join(directoryOf(path), name);
        faults.push(
          sources.has(target) ? libArrowFault(path, target, typeOnly) : `${path} imports ${name}, which does not exist`,
        );
      } else if (!name.startsWith('node:') && path !== 'lib/native.ts') {
        faults.push(`${path} imports the package ${name}; tilegrad needs no package but its loader's`);
      }
    }
  }
  return faults.filter((fault) => fault !== undefined);
}

/** Names of the OpDefs that a room defines, written out or made by a macro over its functors. */
function definedOps(text: string): string[] {
  const plain = [...text.matchAll(/^(?:extern\s+)?const OpDef (\w+)_op\s*(?:=|\{)/gm)];
  const made = [...text.matchAll(/^(?:REDUCTION|TG_(?:UNARY|BINARY|TERNARY|COMPARE|LOGICAL)\w*)\((\w+),/gm)];
  const updates = [...text.matchAll(/^TG_UPDATE_OP\((\w+),/gm)].map((match) => `${match[1]}_update`);
  return [...[...plain, ...made].map((match) => match[1]!), ...updates];
}

/** Files of lib/ops that are no room: the table itself, and what rooms share of which nothing is public. */
const unlisted = new Set(['index.ts', 'arguments.ts', 'reduced.ts']);

/** What the two tables of contents miss, one sentence each. */
export function checkTables(sources: Sources): string[] {
  const faults: string[] = [];
  const listed = new Set<string>();
  for (const match of (sources.get('native/ops/ops.def') ?? '').matchAll(/^OP\((\w+)\)/gm)) {
    if (listed.has(match[1]!)) faults.push(`native/ops/ops.def lists ${match[1]} twice`);
    listed.add(match[1]!);
  }
  const rooms = new Map<string, boolean>();
  for (const [path, text] of sources) {
    const room = path.match(/^native\/ops\/(\w+)\/.+\.(cc|h)$/)?.[1];
    if (!room) continue;
    const ops = definedOps(text);
    rooms.set(room, rooms.get(room) || ops.length > 0);
    for (const op of ops) {
      if (!listed.has(op)) faults.push(`${path} defines the op ${op}, which native/ops/ops.def does not list`);
    }
  }
  for (const [room, hasOp] of rooms) if (!hasOp) faults.push(`native/ops/${room} defines no op`);

  const contents = new Set(importsOf(sources.get('lib/ops/index.ts') ?? '').map(({ name }) => name));
  for (const path of sources.keys()) {
    const file = path.match(/^lib\/ops\/(.+\.ts)$/)?.[1];
    if (file && !unlisted.has(file) && !contents.has(`./${file}`)) {
      faults.push(`lib/ops/index.ts does not list ${file}`);
    }
  }
  return faults;
}
