// What is said when the native addon cannot be loaded: where it was looked for, on what, and the command that mends it.
import { TilegradError } from './error.ts';

/** What is known when loading has failed. */
export interface LoadFacts {
  /** For instance 'linux-x64'. */
  platform: string;
  /** 'glibc 2.36', 'musl', or '' where there is no choice. */
  libc: string;
  node: string;
  /** The file that TILEGRAD_ADDON names. */
  chosen: string | undefined;
  /** The folder of the package; undefined where a bundler has moved the code out of it. */
  root: string | undefined;
  /** Whether that is a checkout of the sources. */
  checkout: boolean;
  /** The platforms of which prebuilds/ holds a file. */
  prebuilt: readonly string[];
  cause: unknown;
}

const oldestGlibc = '2.28';

const isOlder = (version: string, than: string) => {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  return a![0] !== b![0] ? a![0]! < b![0]! : a![1]! < b![1]!;
};

function placesOf(facts: LoadFacts): string {
  const { chosen, root, platform, prebuilt } = facts;
  if (chosen !== undefined) return `${chosen} (named by TILEGRAD_ADDON)`;
  if (root === undefined) return 'nowhere: the code runs from a bundle, without the folder of its package';
  const found = prebuilt.length > 0 ? `prebuilds holds ${prebuilt.join(', ')}` : 'prebuilds holds nothing';
  return `${root}build/Release and ${root}prebuilds/${platform} (${found})`;
}

function remedyOf({ platform, libc, chosen, root, checkout, prebuilt }: LoadFacts): string {
  const glibc = libc.match(/^glibc ([\d.]+)$/)?.[1];
  if (chosen !== undefined)
    return 'check that the file exists and was built for this platform, or unset TILEGRAD_ADDON';
  if (root === undefined) {
    return `keep tilegrad out of the bundle (external), or import 'tilegrad/static/${platform}' instead of 'tilegrad'`;
  }
  if (checkout) return 'npm run build';
  const fromSource = 'build it from the sources: git clone the repository of tilegrad, then npm run build there';
  if (!prebuilt.includes(platform)) {
    if (prebuilt.length === 0) return 'npm install tilegrad --force, since the package is not complete';
    return `there is no prebuilt file for ${platform}; ${fromSource}`;
  }
  if (libc === 'musl') {
    return `the prebuilt files need glibc, not musl: use an image with glibc, for instance node:22-slim; or ${fromSource}`;
  }
  if (glibc !== undefined && isOlder(glibc, oldestGlibc)) {
    return `the prebuilt files need glibc ${oldestGlibc} or newer (RHEL 8, Ubuntu 20.04, Debian 11); or ${fromSource}`;
  }
  return 'npm install tilegrad --force; a node_modules folder of another machine has to be installed anew';
}

/** The error for an addon that did not load. */
export function loadError(facts: LoadFacts): TilegradError {
  const { platform, libc, node, cause } = facts;
  const lines = [
    'the native addon of tilegrad could not be loaded',
    `platform: ${[platform, libc, `Node ${node}`].filter(Boolean).join(', ')}`,
    `looked in: ${placesOf(facts)}`,
    `reason: ${(cause instanceof Error ? cause.message : String(cause)).trim()}`,
    `to mend it: ${remedyOf(facts)}`,
  ];
  return new TilegradError('ERR_UNSUPPORTED', lines.join('\n  '), { cause });
}
