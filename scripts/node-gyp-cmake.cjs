#!/usr/bin/env node
'use strict';
// Stands in for node-gyp under prebuildify: builds with cmake-js in the folder above the one that it is called in and leaves
// the addon in build/Release there, from where prebuildify moves it. What was compiled before is kept, so that a long build may
// be stopped and started again. TILEGRAD_CMAKE_DEFS holds cmake settings, one per line.
const { spawnSync } = require('node:child_process');
const { closeSync, copyFileSync, mkdirSync, openSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const args = process.argv.slice(2);
const option = (name) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const config = args.includes('--debug') ? 'Debug' : 'Release';
const arch = option('arch') ?? process.arch;
const root = join(__dirname, '..');
const out = join(process.cwd(), '..');
const defines = (process.env.TILEGRAD_CMAKE_DEFS ?? '').split('\n').filter(Boolean);

mkdirSync(out, { recursive: true });
const log = join(out, 'build.log');
const file = openSync(log, 'w');
function cmakeJs(command) {
  const call = [require.resolve('cmake-js/bin/cmake-js'), command, '--directory', root, '--out', out];
  call.push('--config', config, '--arch', arch, ...defines.map((define) => `--CD${define}`));
  if (process.platform === 'win32') call.push('--generator', 'Ninja');
  const { status } = spawnSync(process.execPath, call, { stdio: ['ignore', file, file] });
  return status ?? 1;
}
const status = cmakeJs('configure') || cmakeJs('build');
closeSync(file);
if (status === 0) {
  mkdirSync(join('build', config), { recursive: true });
  copyFileSync(join(out, config, 'tilegrad.node'), join('build', config, 'tilegrad.node'));
} else {
  console.error(readFileSync(log, 'utf8').split('\n').slice(-80).join('\n'));
}
process.exitCode = status;
