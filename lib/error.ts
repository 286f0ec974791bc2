/** The codes of every error that tilegrad throws on purpose. */
export type ErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_DEVICE'
  | 'ERR_DISPOSED'
  | 'ERR_OOM'
  | 'ERR_CUDA'
  | 'ERR_UNSUPPORTED'
  | 'ERR_FORMAT'
  | 'ERR_IO'
  | 'ERR_ARGUMENT';

/**
 * The one error class of the library. `code` says what kind of mistake it was and is stable; `message` names the
 * operation, what is wrong and the values, and is written for people. `cause` carries the error of the system, if any.
 */
export class TilegradError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TilegradError';
    this.code = code;
  }
}
