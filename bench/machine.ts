// What the figures were measured on.
import { cpus, totalmem } from 'node:os';
import { devices, measurePeak, setNumThreads, version } from 'tilegrad';

/** The floor at one number of threads. */
export interface Floor {
  threads: number;
  /** f32 operations per second in registers. */
  flops: number;
  /** Bytes per second of a triad over memory. */
  bytes: number;
}

export interface Machine {
  date: string;
  processor: string;
  cores: number;
  memoryGiB: number;
  isa: string;
  versions: { tilegrad: string; node: string; torch: string | null };
  devices: string[];
  floors: Floor[];
}

function measureFloor(threads: number): Floor {
  setNumThreads(threads);
  const { flops, bytes } = measurePeak();
  return { threads, flops, bytes };
}

/** f32 operations per second in registers, with the threads that are set. */
export const measureFlops = (): number => measurePeak({ memory: false }).flops;

export function describeMachine(threads: readonly number[], torch: string | null): Machine {
  const processors = cpus();
  return {
    date: new Date().toISOString(),
    processor: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    isa: measurePeak().isa,
    versions: { tilegrad: version, node: process.versions.node, torch },
    devices: devices().map((d) => (d.available ? `${d.name}: ${d.description}` : `${d.name}: absent, ${d.reason}`)),
    floors: threads.map(measureFloor),
  };
}

/** The machine in a few lines of text. */
export function printMachine(machine: Machine): void {
  const { versions } = machine;
  console.log(`${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, kernels for ${machine.isa}`);
  console.log(`tilegrad ${versions.tilegrad}, Node ${versions.node}, PyTorch ${versions.torch ?? 'not compared'}`);
  for (const line of machine.devices) console.log(line);
  for (const { threads, flops, bytes } of machine.floors) {
    const rates = `${(flops / 1e9).toFixed(0)} GFLOP/s f32, ${(bytes / 1e9).toFixed(1)} GB/s`;
    console.log(`measured peak at ${threads} ${threads === 1 ? 'thread ' : 'threads'}: ${rates}`);
  }
}
