import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The folder that data sets are kept in between runs: `$XDG_CACHE_HOME/tilegrad`, else `~/.cache/tilegrad`, on Windows
 * `%LOCALAPPDATA%\tilegrad`. It is not created here.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env, platform: string = process.platform): string {
  if (platform === 'win32' && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, 'tilegrad');
  // The XDG specification says that a relative path is to be ignored.
  const xdg = env.XDG_CACHE_HOME;
  if (xdg?.startsWith('/')) return join(xdg, 'tilegrad');
  return join(homedir(), '.cache', 'tilegrad');
}

/** The folder named by `TILEGRAD_DATA`, which holds `mnist/` and `fashion-mnist/`, or undefined where it is not set. */
export function dataFolder(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env.TILEGRAD_DATA ? resolve(env.TILEGRAD_DATA) : undefined;
}
