export { confusionCounts, confusionTable } from './confusion.ts';
export { type DrawOptions, drawPictures, type Picture } from './draw.ts';
export { describeImages, drawPredictions, loadImages } from './images.ts';
export { formatInfo, type SystemInfo, systemInfo } from './info.ts';
export { formatOptions, type OptionSpec, type OptionValues, parseOptions, UsageError } from './options.ts';
export { Progress, type ProgressFields, type ProgressOptions } from './progress.ts';
export { formatTable } from './table.ts';
export { formatClock, formatSignificant, hasUnicode, isInteractive, type TextStream } from './terminal.ts';
