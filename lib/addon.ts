// The addon that a static entry (tilegrad/static/<platform>) brings along. Such an entry names its file where a bundler can
// see it; without one, native.ts looks for the file at run time.

/** What a static entry gives: the addon and the name to report for it. */
export interface GivenAddon {
  binding: unknown;
  file: string;
}

let given: GivenAddon | undefined;

/** Called by a static entry, before anything else of the library is evaluated. */
export function giveAddon(addon: GivenAddon): void {
  given = addon;
}

export const givenAddon = (): GivenAddon | undefined => given;
