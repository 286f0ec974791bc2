// The C and C++ libraries of Debian 11 in .cache/sysroot-<arch>/, to link release builds against and to run them on: apt-get
// fetches the packages and dpkg unpacks them; nothing is installed. node scripts/sysroot.mjs [x64|arm64]
//
// Environment: TILEGRAD_SYSROOT_MIRROR, where the packages come from (default: http://deb.debian.org/debian).
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { isMain, main, readStamp, root, run, SetupError } from './process.mjs';
import { findProgram } from './toolchain.mjs';

const release = 'bullseye';
const packages = ['libc6', 'libc6-dev', 'libgcc-s1', 'libstdc++6'];
const debianArch = { x64: 'amd64', arm64: 'arm64' };

async function must(command, args, options) {
  const { code, output } = await run(command, args, options);
  if (code !== 0) throw new SetupError(`${command} ${args.at(-1)} failed:\n${output.trim()}`);
}

/** Absolute links would lead out of the folder, to the libraries of this machine. */
function makeLinksRelative(top, folder = top) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const kind = lstatSync(path);
    if (kind.isDirectory()) makeLinksRelative(top, path);
    if (!kind.isSymbolicLink() || !readlinkSync(path).startsWith('/')) continue;
    const target = relative(dirname(path), join(top, readlinkSync(path)));
    rmSync(path);
    symlinkSync(target, path);
  }
}

async function fetchPackages(arch, work) {
  const mirror = process.env.TILEGRAD_SYSROOT_MIRROR ?? 'http://deb.debian.org/debian';
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const signed = existsSync(keys) ? ` signed-by=${keys}` : '';
  for (const folder of ['lists/partial', 'cache/archives/partial', 'debs']) {
    mkdirSync(join(work, folder), { recursive: true });
  }
  writeFileSync(join(work, 'sources.list'), `deb [arch=${debianArch[arch]}${signed}] ${mirror} ${release} main\n`);
  // Lists and state of its own: what this machine has installed plays no part.
  const settings = [
    `Dir::Etc::SourceList=${work}/sources.list`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${work}/lists`,
    'Dir::State::Status=/dev/null',
    `Dir::Cache=${work}/cache`,
    `APT::Architecture=${debianArch[arch]}`,
    `APT::Architectures=${debianArch[arch]}`,
    'Acquire::Languages=none',
    'APT::Sandbox::User=root',
  ].flatMap((setting) => ['-o', setting]);
  await must('apt-get', [...settings, '-q', 'update']);
  await must('apt-get', [...settings, '-q', 'download', ...packages], { cwd: join(work, 'debs') });
}

/** The folder of the older C library for 'x64' or 'arm64', fetched where it is absent. */
export async function sysroot(arch) {
  const folder = join(root, '.cache', `sysroot-${arch}`);
  const holds = `${release} ${packages.join(' ')}\n`;
  if (readStamp(join(folder, '.stamp')) === holds) return folder;
  for (const tool of ['apt-get', 'dpkg']) {
    if (!findProgram(tool))
      throw new SetupError(`${tool} was not found: the older C library comes from Debian's packages`);
  }
  const work = `${folder}.part`;
  rmSync(work, { recursive: true, force: true });
  await fetchPackages(arch, work);
  const files = join(work, 'root');
  for (const name of readdirSync(join(work, 'debs'))) await must('dpkg', ['-x', join(work, 'debs', name), files]);
  makeLinksRelative(files);
  writeFileSync(join(files, '.stamp'), holds);
  rmSync(folder, { recursive: true, force: true });
  renameSync(files, folder);
  rmSync(work, { recursive: true });
  return folder;
}

/** A program that is this Node on those libraries: what runs in it runs on a Linux as old as they are. */
export async function olderNode() {
  const folder = await sysroot(process.arch);
  const [, loader] = (await run('readelf', ['-l', process.execPath])).output.match(/interpreter: (\/.*?)\]/) ?? [];
  if (!loader) throw new SetupError(`the program interpreter of ${process.execPath} is unknown`);
  const libraries = ['lib', 'usr/lib'].flatMap((part) =>
    readdirSync(join(folder, part)).map((name) => join(folder, part, name)),
  );
  const program = join(root, '.cache', 'older-node');
  const call = `${join(folder, loader)} --library-path ${libraries.join(':')} ${process.execPath}`;
  writeFileSync(program, `#!/bin/sh\nexec ${call} "$@"\n`, { mode: 0o755 });
  return program;
}

if (isMain(import.meta)) {
  await main(async () => console.log(await sysroot(process.argv[2] ?? process.arch)));
}
