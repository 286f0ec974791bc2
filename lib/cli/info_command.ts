// `tilegrad info`.
import { type Command, exitCodes } from './command.ts';
import { formatInfo, systemInfo } from './info.ts';
import { formatOptions, parseOptions } from './options.ts';

const options = { json: { kind: 'flag', help: 'the same for programs' } } as const;

export const info: Command = {
  help: `tilegrad info [OPTIONS]
What is installed, which devices there are, and for an absent one the reason and what to do.
${formatOptions(options)}`,
  async run(args) {
    const { values } = parseOptions(args, options);
    const found = systemInfo();
    console.log(values.json ? JSON.stringify(found, null, 2) : formatInfo(found));
    return exitCodes.done;
  },
};
