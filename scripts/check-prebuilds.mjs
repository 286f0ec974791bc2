// Checks the prebuilt files of this checkout and prints the figures: what they need of the C and C++ libraries, what they
// export, and how much each adds to the package. node scripts/check-prebuilds.mjs [linux-x64 ...]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isMain, main, root, run, SetupError } from './process.mjs';
import { findProgram } from './toolchain.mjs';

// RHEL 8, Ubuntu 20.04, Debian 11; the libstdc++ and libgcc of GCC 8.
const floor = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11', GCC: '7.0.0' };
const budget = 30e6;
const libraries = /^(libc|libm|libpthread|libdl|librt|libstdc\+\+|libgcc_s|ld-linux-(x86-64|aarch64))\.so\.\d+$/;
const exported = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const machines = { x64: 'X86-64', arm64: 'AArch64' };

/** Negative, zero or positive as version `a` is older than, the same as or newer than `b`. */
export function compareVersions(a, b) {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) - (y[i] ?? 0);
  }
  return 0;
}

/** The dynamic symbols of an ELF file out of what `readelf -W --dyn-syms` prints. */
export function parseSymbols(text) {
  const row = /^\s*\d+:\s+\S+\s+\S+\s+\S+\s+(\w+)\s+\w+\s+(\S+)\s+([^\s@]+)(?:@+(\S+))?/;
  return text.split('\n').flatMap((line) => {
    const [, binding, section, name, version] = line.match(row) ?? [];
    if (!name || binding === 'LOCAL') return [];
    return [{ name, version, undefined: section === 'UND', weak: binding === 'WEAK' }];
  });
}

/** What is wrong with the symbols, in words, and the newest version of each library that they need. */
export function judgeSymbols(symbols) {
  const faults = [];
  const newest = {};
  for (const { name, version, weak, ...symbol } of symbols) {
    if (!symbol.undefined) {
      if (!exported.includes(name)) faults.push(`exports ${name}`);
    } else if (version) {
      const [, library, number] = version.match(/^(\w+?)_([\d.]+)$/) ?? [];
      if (!(library in floor)) faults.push(`${name} needs ${version}`);
      else if (compareVersions(number, floor[library]) > 0) {
        faults.push(`${name} needs ${version}, newer than ${library}_${floor[library]}`);
      }
      if (library && compareVersions(number, newest[library] ?? '0') > 0) newest[library] = number;
    } else if (!weak && !/^(napi|node_api)_/.test(name)) {
      faults.push(`${name} is undefined and no library is named for it`);
    }
  }
  for (const name of exported) {
    if (!symbols.some((symbol) => symbol.name === name && !symbol.undefined)) faults.push(`does not export ${name}`);
  }
  return { faults, newest };
}

async function readElf(file, ...what) {
  const { code, output } = await run('readelf', ['-W', ...what, file]);
  if (code === 127) throw new SetupError('readelf was not found; install it with: apt-get install binutils');
  if (code !== 0) throw new SetupError(`readelf failed:\n${output.trim()}`);
  return output;
}

async function checkElf(file, arch) {
  const { faults, newest } = judgeSymbols(parseSymbols(await readElf(file, '--dyn-syms')));
  const headers = await readElf(file, '-h', '-d', '-l', '-S');
  const needed = Array.from(headers.matchAll(/\(NEEDED\).*\[(.*)\]/g), ([, name]) => name);
  for (const name of needed) if (!libraries.test(name)) faults.push(`needs ${name}`);
  if (!headers.includes(machines[arch])) faults.push(`is not for ${arch}`);
  if (/\((RPATH|RUNPATH|TEXTREL)\)/.test(headers)) faults.push('has a search path or relocations in its code');
  if (/GNU_STACK .*E\s+0x/.test(headers)) faults.push('asks for an executable stack');
  if (/ \.(symtab|debug_info) /.test(headers)) faults.push('is not stripped');
  const needs = Object.entries(newest).map(([library, version]) => `${library}_${version}`);
  return { faults, said: [`needs ${needs.join(' ')}`, needed.join(' ')] };
}

/** The GPU architectures of which the file holds code, where the toolkit's cuobjdump is there to say. */
async function cudaArchs(file) {
  const tool = findProgram('cuobjdump') ?? '/usr/local/cuda/bin/cuobjdump';
  if (!existsSync(tool)) return 'not listed: no cuobjdump';
  const list = async (what) => {
    const { output } = await run(tool, [`--list-${what}`, file]);
    return [...new Set(Array.from(output.matchAll(/sm_(\d+\w?)/g), ([, arch]) => arch))];
  };
  const [code, ptx] = [await list('elf'), await list('ptx')];
  if (code.length + ptx.length === 0) return 'none';
  return `code for ${code.join(', ') || 'none'}, PTX for ${ptx.join(', ') || 'none'}`;
}

/** Prints the figures of the named platforms; gives 1 if something is wrong with one of them. */
export async function checkPrebuilds(platforms) {
  let wrong = 0;
  for (const platform of platforms) {
    const [system, arch] = platform.split('-');
    const file = join(root, 'prebuilds', platform, 'tilegrad.node');
    if (!existsSync(file)) throw new SetupError(`${file} does not exist; build it with: npm run build:prebuilds`);
    const bytes = readFileSync(file);
    const packed = gzipSync(bytes, { level: 9 }).length;
    const megabytes = (n) => `${(n / 1e6).toFixed(2)} MB`;
    const { faults, said } = system === 'linux' ? await checkElf(file, arch) : { faults: [], said: [] };
    if (packed > budget) faults.push(`is ${megabytes(packed)} packed, more than ${megabytes(budget)}`);
    const size = `${megabytes(bytes.length)}, packed ${megabytes(packed)} of ${megabytes(budget)}`;
    const cuda = platform === 'linux-x64' ? [`CUDA ${await cudaArchs(file)}`] : [];
    console.log([`${platform}: ${size}`, ...said, ...cuda, ...faults.map((fault) => `WRONG: ${fault}`)].join('\n  '));
    wrong += faults.length;
  }
  return wrong > 0 ? 1 : 0;
}

if (isMain(import.meta)) {
  const folder = join(root, 'prebuilds');
  const all = () => (existsSync(folder) ? readdirSync(folder) : []);
  await main(() => checkPrebuilds(process.argv.length > 2 ? process.argv.slice(2) : all()));
}
