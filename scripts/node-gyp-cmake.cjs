#!/usr/bin/env node
'use strict';
// Stands in for node-gyp under prebuildify: builds with cmake-js in a folder of its own and leaves the addon in
// build/Release, from where prebuildify moves it to prebuilds/. TILEGRAD_CMAKE_DEFS holds further cmake settings.
const { spawnSync } = require('node:child_process');
const { copyFileSync, mkdirSync } = require('node:fs');
const { join } = require('node:path');

const args = process.argv.slice(2);
const option = (name) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const config = args.includes('--debug') ? 'Debug' : 'Release';
const arch = option('arch') ?? process.arch;
const out = `build-prebuild-${arch}`;
const command = [require.resolve('cmake-js/bin/cmake-js'), 'rebuild', '--out', out, '--config', config, '--arch', arch];
for (const define of (process.env.TILEGRAD_CMAKE_DEFS ?? '').split(' ').filter(Boolean)) command.push(`--CD${define}`);

const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
if (status === 0) {
  mkdirSync(join('build', config), { recursive: true });
  copyFileSync(join(out, config, 'tilegrad.node'), join('build', config, 'tilegrad.node'));
}
process.exitCode = status ?? 1;
