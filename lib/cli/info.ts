// What `tilegrad info` tells: the addon, the processor, the devices, and for an absent one what to do.
import { devices } from '../device.ts';
import { addonFile, type DeviceInfo, libc } from '../native.ts';
import { version } from '../version.ts';

/** The installation and the machine, as `tilegrad info --json` prints them. */
export interface SystemInfo {
  version: string;
  /** The file that the native addon was loaded from. */
  addon: string;
  node: string;
  /** For instance 'linux-x64, glibc 2.36'. */
  platform: string;
  /** As `devices()`, with what to do about an absent one. */
  devices: (DeviceInfo & { remedy: string })[];
}

const remedies: [RegExp, string][] = [
  [/^no NVIDIA driver/, 'with an NVIDIA GPU in the machine, install its driver; tilegrad needs nothing else of CUDA'],
  [/older than CUDA|newer driver/, 'install a newer NVIDIA driver'],
  [/no NVIDIA GPU is visible/, 'check nvidia-smi, CUDA_VISIBLE_DEVICES, and in a container that it is given the GPU'],
  [/no CUDA code/, 'install a published build, or in a checkout build with nvcc on the PATH'],
];

/** What is installed and what it finds on this machine. */
export function systemInfo(): SystemInfo {
  return {
    version,
    addon: addonFile,
    node: process.versions.node,
    platform: [`${process.platform}-${process.arch}`, libc()].filter(Boolean).join(', '),
    devices: devices().map((device) => ({
      ...device,
      remedy: device.available ? '' : (remedies.find(([reason]) => reason.test(device.reason))?.[1] ?? ''),
    })),
  };
}

/** The same in lines for people. */
export function formatInfo(info: SystemInfo): string {
  const rows: [string, string][] = [
    ['addon', info.addon],
    ['node', `${info.node}, ${info.platform}`],
  ];
  for (const { name, available, description, reason, memoryBytes, remedy } of info.devices) {
    const memory = `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`;
    rows.push([name, available ? `${description}, ${memory}` : `absent: ${reason}`]);
    if (remedy) rows.push(['', remedy]);
  }
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return [`tilegrad ${info.version}`, ...rows.map(([name, text]) => `  ${name.padEnd(width)}${text}`)].join('\n');
}
