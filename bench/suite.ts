// What a suite is: rows with a name, the work that they do at least, and how ours and PyTorch's are made.
import type { Device } from 'tilegrad';

/** A case that bench/peers/torch_cases.py knows, with its arguments. */
export interface TorchCase {
  kind: string;
  [argument: string]: unknown;
}

export interface BenchRow {
  name: string;
  /** Floating-point operations of one run, a multiply-add being two. */
  flops?: number;
  /** Bytes that one run must read and write at least. */
  bytes?: number;
  /** Makes the inputs and returns what runs once: it enqueues, frees what it made and does not wait. */
  prepare: (device: Device) => () => void;
  /** The same computation for PyTorch; none where it has no counterpart. */
  torch?: TorchCase;
}

export interface BenchSuite {
  name: string;
  /** Made when the suite runs, so that an unused suite costs nothing. */
  rows: () => BenchRow[] | Promise<BenchRow[]>;
}
