// Formats every source: biome for TypeScript, JavaScript and JSON, clang-format for C++ and CUDA.
import { isMain, listFiles, main, run, runPackage } from './process.mjs';
import { installOnly } from './setup.mjs';

// Releases of clang-format disagree about details; this one is the judge.
const clangFormatMajor = 14;
const nativeFiles = () => listFiles(['native'], (path) => /\.(cc|h|cu|cuh)$/.test(path));

async function clangFormat(args) {
  for (const program of [`clang-format-${clangFormatMajor}`, 'clang-format']) {
    const { code, output } = await run(program, ['--version']);
    const major = Number(output.match(/version (\d+)/)?.[1]);
    if (code !== 0 || major !== clangFormatMajor) continue;
    return run(program, ['--style=file', ...args, ...nativeFiles()]);
  }
  return { code: 0, skipped: `clang-format ${clangFormatMajor} is not installed` };
}

/** Checks the format of native/ without changing it and names the files; gives the exit code, or why it was skipped. */
export async function checkClangFormat() {
  const result = await clangFormat(['--dry-run', '--Werror']);
  const wrong = new Set([...(result.output?.matchAll(/^(\S+?):\d+:\d+: error/gm) ?? [])].map((match) => match[1]));
  for (const file of wrong) console.log(`${file} is not formatted; npm run format does it`);
  if (result.code !== 0 && wrong.size === 0) console.log(result.output);
  return result;
}

if (isMain(import.meta)) {
  await main(async () => {
    await installOnly();
    const args = ['check', '--write', ...process.argv.slice(2)];
    const { code } = await runPackage('@biomejs/biome/bin/biome', args, { stdio: 'inherit' });
    const { code: nativeCode, skipped } = await clangFormat(['-i']);
    if (skipped) console.log(`format: native/ skipped: ${skipped}`);
    return code || nativeCode;
  });
}
